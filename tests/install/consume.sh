#!/usr/bin/env bash
# Installs this build into a private prefix and builds the same small program against it in three ways.
set -euo pipefail
source_dir=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

cmake --install "$LOAM_BUILD_DIR" --prefix "$prefix" >/dev/null
libdir=$(dirname "$(find "$prefix" -name 'loamConfig.cmake' | head -1)")/../..

echo "== nothing of the build leaks to those who use it"
if grep -REn -- '-march|-Wall|-Werror|-fsanitize|-fvisibility' "$prefix"/lib*/ --include='*.cmake' --include='*.pc'; then
  echo "flags leaked" >&2
  exit 1
fi
if grep -rlE 'nlohmann|hwy/|sqlite3\.h|libpq-fe\.h|lmdb\.h|curl/|fmt/|spdlog/' "$prefix/include"; then
  echo "a public header names a vendor's" >&2
  exit 1
fi

configure() { # DIRECTORY ARGS..
  local directory=$1
  shift
  cmake -S "$source_dir/tests/install/consumer" -B "$directory" -G Ninja -DCMAKE_CXX_COMPILER="$LOAM_CXX" \
    -DCMAKE_CXX_COMPILER_LAUNCHER="$LOAM_LAUNCHER" -DCMAKE_CXX_FLAGS="$LOAM_CXX_FLAGS" "$@" >"$work/configure.log" 2>&1 ||
    { cat "$work/configure.log"; exit 1; }
}

echo "== find_package(loam)"
configure "$work/found" -DCMAKE_PREFIX_PATH="$prefix"
cmake --build "$work/found" >/dev/null
"$work/found/consumer" "$work/found.loam"

echo "== find_package(loam COMPONENTS unknown) is refused"
if cmake -S "$source_dir/tests/install/consumer" -B "$work/unknown" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
  -DCONSUMER_COMPONENTS=no_such_adapter >/dev/null 2>&1; then
  echo "a missing component was accepted" >&2
  exit 1
fi

echo "== pkg-config"
PKG_CONFIG_PATH=$libdir/pkgconfig
export PKG_CONFIG_PATH
# shellcheck disable=SC2046,SC2086
"$LOAM_CXX" -std=c++20 $LOAM_CXX_FLAGS "$source_dir/tests/install/consumer/consumer.cpp" -o "$work/by_pkg_config" \
  $(pkg-config --cflags --libs loam)
LD_LIBRARY_PATH=$libdir "$work/by_pkg_config" "$work/by_pkg_config.loam"

echo "== add_subdirectory"
configure "$work/subdirectory" -DCONSUMER_SUBDIRECTORY="$source_dir"
cmake --build "$work/subdirectory" -j 2 >/dev/null
"$work/subdirectory/consumer" "$work/subdirectory.loam"
