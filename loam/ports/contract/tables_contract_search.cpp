#include "loam/ports/contract/tables_contract.hpp"
