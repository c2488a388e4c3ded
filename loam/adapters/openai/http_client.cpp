#include "loam/adapters/openai/http_client.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <new>
#include <string_view>
#include <utility>

#include "loam/core/utf8.hpp"

namespace loam::openai {
namespace {

constexpr int poll_ms = 20;
constexpr std::int64_t connect_timeout_ms_max = 10'000;
constexpr std::size_t header_bytes_max = 256 << 10;
constexpr std::size_t idle_connections_max = 8;

// What the callbacks of one transfer write to.
struct Transfer {
  HttpReply reply;
  std::size_t body_bytes_max = 0;
  std::size_t header_bytes = 0;
  bool out_of_memory = false;
};

// Returning another size than was given makes libcurl stop. No exception may pass through it.
std::size_t receive_body(char* data, std::size_t, std::size_t size, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  if (size > transfer.body_bytes_max - transfer.reply.body.size()) {
    transfer.reply.too_large = true;
    return size + 1;
  }
  try {
    transfer.reply.body.append(data, size);
  } catch (const std::bad_alloc&) {
    transfer.out_of_memory = true;
    return size + 1;
  }
  return size;
}

std::size_t receive_header(char* data, std::size_t, std::size_t size, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  transfer.header_bytes += size;
  if (transfer.header_bytes > header_bytes_max) {
    transfer.reply.too_large = true;
    return size + 1;
  }
  constexpr std::string_view name = "retry-after:";
  const std::string_view line(data, size);
  try {
    if (ascii_lower(line.substr(0, name.size())) == name) transfer.reply.retry_after = std::string(line.substr(name.size()));
  } catch (const std::bad_alloc&) {
    transfer.out_of_memory = true;
    return size + 1;
  }
  return size;
}

// The library is set up once, before any thread uses it, and never torn down: others in the process may use it too.
void start_libcurl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

HeaderList request_headers() {
  HeaderList list;
  // An empty Expect keeps libcurl from waiting for "100 Continue" before a large body.
  for (const char* header : {"Content-Type: application/json", "Accept: application/json", "Expect:"}) {
    curl_slist* longer = curl_slist_append(list.get(), header);
    if (longer == nullptr) throw std::bad_alloc();
    static_cast<void>(list.release());
    list.reset(longer);
  }
  return list;
}

}  // namespace

// A multi handle with one easy handle: the multi interface returns between the pieces of a transfer, so that a call can be
// given up.
class HttpClient::Connection {
 public:
  Connection() : multi_(curl_multi_init()), easy_(curl_easy_init()) {
    if (multi_ != nullptr && easy_ != nullptr) return;
    close();
    throw std::bad_alloc();
  }
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<HttpReply> post(const HttpRequest& request, const Context& context) {
    Transfer transfer;
    transfer.body_bytes_max = request.response_bytes_max;
    const HeaderList headers = request_headers();
    char message[CURL_ERROR_SIZE] = "";
    configure(request, headers.get(), transfer, message);
    curl_multi_add_handle(multi_, easy_);
    auto done = run(context);
    curl_multi_remove_handle(multi_, easy_);
    // Forgets the key and the pointers to this frame; the connection stays in the multi handle.
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status_);
    curl_easy_reset(easy_);
    if (!done.ok()) return std::move(done).error();
    if (transfer.out_of_memory) throw std::bad_alloc();
    transfer.reply.curl_code = transfer.reply.too_large ? 0 : done.value();
    if (transfer.reply.curl_code == CURLE_FILESIZE_EXCEEDED) {
      transfer.reply.too_large = true;
      transfer.reply.curl_code = 0;
    }
    transfer.reply.curl_message = message[0] != '\0' ? message : curl_easy_strerror(static_cast<CURLcode>(done.value()));
    transfer.reply.status = static_cast<int>(status_);
    return std::move(transfer.reply);
  }

 private:
  void configure(const HttpRequest& request, curl_slist* headers, Transfer& transfer, char* message) {
    curl_easy_setopt(easy_, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy_, CURLOPT_USERAGENT, "loam");
    curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers);
    if (request.bearer != nullptr && !request.bearer->empty()) {
      // Revealed to send it. A Secret ends with a NUL, being a string; libcurl frees its copy in curl_easy_reset().
      curl_easy_setopt(easy_, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
      curl_easy_setopt(easy_, CURLOPT_XOAUTH2_BEARER, request.bearer->reveal().data());
    }
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout_ms));
    curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(std::min(request.timeout_ms, connect_timeout_ms_max)));
    curl_easy_setopt(easy_, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request.response_bytes_max));
    curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, receive_body);
    curl_easy_setopt(easy_, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, receive_header);
    curl_easy_setopt(easy_, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, message);
  }

  // The CURLcode of the transfer.
  Result<int> run(const Context& context) {
    for (;;) {
      LOAM_TRY(context.check("embedding request"));
      int running = 0;
      if (curl_multi_perform(multi_, &running) != CURLM_OK) return static_cast<int>(CURLE_FAILED_INIT);
      if (running == 0) break;
      if (curl_multi_poll(multi_, nullptr, 0, poll_ms, nullptr) != CURLM_OK) return static_cast<int>(CURLE_FAILED_INIT);
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left))
      if (message->msg == CURLMSG_DONE) return static_cast<int>(message->data.result);
    return static_cast<int>(CURLE_FAILED_INIT);
  }

  void close() {
    if (easy_ != nullptr) curl_easy_cleanup(easy_);
    if (multi_ != nullptr) curl_multi_cleanup(multi_);
  }

  CURLM* multi_;
  CURL* easy_;
  long status_ = 0;
};

HttpClient::HttpClient() { start_libcurl(); }
HttpClient::~HttpClient() = default;

Result<HttpReply> HttpClient::post(const HttpRequest& request, const Context& context) {
  std::unique_ptr<Connection> connection = take();
  auto reply = connection->post(request, context);
  // A call that was given up leaves its connection closed.
  give_back(std::move(connection));
  return reply;
}

std::unique_ptr<HttpClient::Connection> HttpClient::take() {
  std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<Connection>();
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void HttpClient::give_back(std::unique_ptr<Connection> connection) {
  std::lock_guard lock(mutex_);
  if (idle_.size() < idle_connections_max) idle_.push_back(std::move(connection));
}

}  // namespace loam::openai
