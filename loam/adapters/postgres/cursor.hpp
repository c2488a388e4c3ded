#pragma once

/// Cursors over the rows that a session is sending. Internal to the adapter.

#include <memory>
#include <string_view>

#include "loam/adapters/postgres/session.hpp"

namespace loam::postgres {

/// A cursor outside of a transaction: holds its session until it is at its end or destroyed.
Result<std::unique_ptr<Cursor>> open_cursor(SessionPool::Lease lease, std::string_view sql, Parameters parameters,
                                            Access access, const Context& context);

/// A cursor inside of a transaction. `session` may go on with other statements; it must outlive the cursor's reading, which
/// ends when the transaction does.
Result<std::unique_ptr<Cursor>> open_cursor(Session& session, std::string_view sql, Parameters parameters,
                                            const Context& context);

}  // namespace loam::postgres
