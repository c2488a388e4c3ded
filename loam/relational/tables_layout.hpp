#pragma once

/// How a table of the Tables port lies in the database: which SQL tables, columns and indexes it has, and what they are
/// called.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loam/ports/tables.hpp"
#include "loam/query/schema.hpp"
#include "loam/query/sql_dialect.hpp"

namespace loam::relational {

inline constexpr std::string_view row_column = "loam_row";

/// A vector column and the table that holds its vectors.
struct VectorTable {
  std::size_t column = 0;  ///< in schema.columns
  std::string name;        ///< loam_vectors_<table id>_<column>
  std::string sql;         ///< the name, quoted
};

/// Never changes once made; shared by all handles of the table.
struct TableLayout {
  std::int64_t id = 0;  ///< in the catalogue; never given to another table
  TableSchema schema;
  std::string sql;                      ///< the table's name, quoted
  std::string row_sql;                  ///< "table"."loam_row"
  std::vector<std::string> column_sql;  ///< of each schema column: "table"."column"; of a vector column: vectors."vector"
  std::vector<VectorTable> vectors;
  std::optional<FullTextIndex> text;
  FilterColumns filter_columns;  ///< all but the vectors
  std::vector<std::size_t> key;  ///< positions of schema.key()

  /// Null unless the column is a vector.
  const VectorTable* vector_table(std::size_t column) const;
  bool is_vector(std::size_t column) const { return schema.columns[column].type == ValueKind::vector; }
};

using LayoutPtr = std::shared_ptr<const TableLayout>;

LayoutPtr make_layout(std::int64_t id, TableSchema schema, const SqlDialect& dialect);

/// In the order in which they must run.
std::vector<std::string> create_statements(const TableLayout& layout, const SqlDialect& dialect);
std::vector<std::string> drop_statements(const TableLayout& layout, const SqlDialect& dialect);

}  // namespace loam::relational
