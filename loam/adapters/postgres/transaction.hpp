#pragma once

/// Transactions on a pooled session. Internal to the adapter.

#include <memory>

#include "loam/adapters/postgres/session.hpp"

namespace loam::postgres {

/// Sends nothing yet: the BEGIN goes out with the first statement.
std::unique_ptr<Transaction> make_transaction(SessionPool::Lease lease, TransactionOptions options,
                                              const SqlDialect& dialect);

}  // namespace loam::postgres
