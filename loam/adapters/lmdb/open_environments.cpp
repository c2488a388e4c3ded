#include "loam/adapters/lmdb/open_environments.hpp"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>

#include "loam/adapters/lmdb/environment.hpp"

namespace loam::lmdb {
namespace {

struct OpenList {
  struct Entry {
    std::weak_ptr<Environment> environment;
    std::uint64_t generation = 0;
  };
  std::mutex mutex;
  std::condition_variable closed;
  std::map<DirectoryId, Entry> entries;
  std::atomic<std::uint64_t> generation = 0;
};

// Never destroyed: stores in static variables may outlive any order of destruction.
OpenList& open_list() {
  static OpenList* list = [] {
    auto* made = new OpenList;
    // The list is locked across a fork, so that the child does not inherit it half-changed or locked by a thread it lacks.
    pthread_atfork([] { open_list().mutex.lock(); }, [] { open_list().mutex.unlock(); },
                   [] {
                     open_list().generation.fetch_add(1);
                     open_list().mutex.unlock();
                   });
    return made;
  }();
  return *list;
}

}  // namespace

std::uint64_t fork_generation() noexcept { return open_list().generation.load(std::memory_order_relaxed); }

Result<std::shared_ptr<Environment>> share_environment(DirectoryId directory, const OpenEnvironment& open) {
  OpenList& list = open_list();
  std::unique_lock lock(list.mutex);
  for (auto found = list.entries.find(directory); found != list.entries.end(); found = list.entries.find(directory)) {
    if (found->second.generation != fork_generation()) break;  // inherited from the parent process: not ours
    if (auto shared = found->second.environment.lock()) return shared;
    list.closed.wait(lock);  // its last user is about to close it
  }
  LOAM_TRY(auto opened, open());
  auto forget_and_close = [directory](Environment* environment) {
    OpenList& open_now = open_list();
    if (!environment->check_process().ok()) {
      delete environment;  // a copy in a forked child; the list no longer speaks of it
      return;
    }
    {
      std::lock_guard closing(open_now.mutex);
      delete environment;
      open_now.entries.erase(directory);
    }
    open_now.closed.notify_all();
  };
  std::shared_ptr<Environment> shared(opened.release(), forget_and_close);
  list.entries[directory] = {shared, fork_generation()};
  return shared;
}

}  // namespace loam::lmdb
