#!/usr/bin/env bash
# Installs this build into a private prefix and builds the same small program against it: by CMake, by pkg-config, against the shared
# library, and with Loam as a subdirectory.
set -euo pipefail
source_dir=$1
work=$(mktemp -d)
# Beside the build, so that the compiler cache knows the objects: it compares paths relative to where the compiler runs.
beside=$(mktemp -d "$(dirname "$LOAM_BUILD_DIR")/consume-XXXXXX")
trap 'rm -rf "$work" "$beside" "$beside"-*' EXIT

configure() { # SOURCE DIRECTORY ARGS..
  local source=$1 directory=$2
  shift 2
  # shellcheck disable=SC2086
  cmake -S "$source" -B "$directory" -G Ninja -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_COMPILER="$LOAM_CXX" \
    -DCMAKE_CXX_COMPILER_LAUNCHER="$LOAM_LAUNCHER" -DCMAKE_CXX_FLAGS="$LOAM_CXX_FLAGS" $LOAM_SAME "$@" >"$work/configure.log" 2>&1 ||
    { cat "$work/configure.log"; exit 1; }
}

check_consumer() { # NAME PREFIX
  configure "$source_dir/tests/install/consumer" "$work/$1" -DCMAKE_PREFIX_PATH="$2"
  cmake --build "$work/$1" >/dev/null
  "$work/$1/consumer" "$work/$1.loam"
}

libdir_of() { dirname "$(dirname "$(find "$1" -name loam.pc)")"; }

prefix=$work/prefix
cmake --install "$LOAM_BUILD_DIR" --prefix "$prefix" >/dev/null

echo "== nothing of the build leaks to those who use it"
if grep -REn -- '-march|-Wall|-Werror|-fsanitize|-fvisibility' "$(libdir_of "$prefix")" --include='*.cmake' --include='*.pc'; then
  echo "flags leaked" >&2
  exit 1
fi
if grep -rlE '#include [<"](nlohmann|hwy/|sqlite3|libpq|lmdb|curl/|fmt/|spdlog/|openssl/)' "$prefix/include"; then
  echo "a public header names a vendor's" >&2
  exit 1
fi

echo "== find_package(loam)"
check_consumer found "$prefix"

echo "== find_package(loam COMPONENTS unknown) is refused"
if cmake -S "$source_dir/tests/install/consumer" -B "$work/unknown" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
  -DCONSUMER_COMPONENTS=no_such_adapter >/dev/null 2>&1; then
  echo "a missing component was accepted" >&2
  exit 1
fi

echo "== pkg-config"
# shellcheck disable=SC2046,SC2086
"$LOAM_CXX" -std=c++20 $LOAM_CXX_FLAGS "$source_dir/tests/install/consumer/consumer.cpp" -o "$work/by_pkg_config" \
  $(PKG_CONFIG_PATH=$(libdir_of "$prefix")/pkgconfig pkg-config --cflags --libs loam)
"$work/by_pkg_config" "$work/by_pkg_config.loam"

echo "== the shared library, which shows nothing but loam"
configure "$source_dir" "$beside-shared" -DBUILD_SHARED_LIBS=ON -DLOAM_BUILD_TESTS=OFF -DLOAM_BUILD_CLI=OFF
cmake --build "$beside-shared" --target loam -j 2 >/dev/null
DESTDIR='' cmake --install "$beside-shared" --prefix "$work/shared" >/dev/null
if nm -DC --defined-only "$(libdir_of "$work/shared")/libloam.so" | grep ' [TDB] ' | grep -v 'loam::'; then
  echo "the shared library exports what is not Loam's" >&2
  exit 1
fi
check_consumer shared_found "$work/shared"

echo "== add_subdirectory"
configure "$source_dir/tests/install/consumer" "$beside-subdirectory" -DCONSUMER_SUBDIRECTORY="$source_dir"
cmake --build "$beside-subdirectory" -j 2 >/dev/null
"$beside-subdirectory/consumer" "$work/subdirectory.loam"
