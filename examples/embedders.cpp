// The examples of docs/embedders.md; a test compiles and runs them.
#include <cstdio>
#include <string>
#include <vector>

#include "loam/adapters/hash/hash_embedder.hpp"
#include "loam/adapters/openai/openai_embedder.hpp"
#include "loam/ports/reranker.hpp"
#include "loam/vector/flat_index.hpp"

namespace {

using loam::Result;

Result<void> hash() {
  // [hash]
  LOAM_TRY(auto embedder, loam::make_hash_embedder(384));
  const std::vector<std::string> texts{"lossless audio compression", "chess engine"};
  LOAM_TRY(auto vectors, embedder->embed(texts));
  std::printf("%zu vectors of %s\n", vectors.size(), to_string(embedder->identity()).c_str());
  // [/hash]
  return {};
}

// [openai]
Result<std::vector<loam::Vector>> embed_remotely(const std::vector<std::string>& texts, const char* key) {
  LOAM_TRY(auto embedder, loam::open_openai_embedder({.base_url = "https://api.openai.com/v1",
                                                      .model = "text-embedding-3-small",
                                                      .api_key = loam::Secret(key),
                                                      .dimension = 384,
                                                      .request_dimension = true}));
  return embedder->embed(texts, loam::Context().deadline_in_ms(30'000));
}
// [/openai]

// [own]
class LengthEmbedder final : public loam::Embedder {
 public:
  const loam::EmbedderIdentity& identity() const override { return identity_; }
  std::size_t batch_size() const override { return 100; }
  std::string spec() const override { return "length:"; }

  Result<std::vector<loam::Vector>> embed(std::span<const std::string> texts, const loam::Context& context) override {
    LOAM_TRY(context.check("embed"));
    std::vector<loam::Vector> vectors;
    for (const std::string& text : texts) vectors.push_back({static_cast<float>(text.size()), 1});
    return vectors;
  }

 private:
  loam::EmbedderIdentity identity_{
      .provider = "length", .model = "length-v1", .dimension = 2, .metric = "euclidean", .normalized = false};
};
// [/own]

Result<void> index() {
  // [index]
  LOAM_TRY(auto embedder, loam::make_hash_embedder(384));
  const std::vector<std::string> texts{"fast lossless audio codec", "chess engine", "audio player"};
  LOAM_TRY(auto vectors, embedder->embed(texts));
  loam::vector::FlatIndex index(384, loam::vector::Distance::cosine);
  for (std::size_t i = 0; i < vectors.size(); ++i) LOAM_TRY(index.put(static_cast<std::int64_t>(i), vectors[i]));

  const std::vector<std::string> question{"audio codec"};
  LOAM_TRY(auto query, embedder->embed(question));
  LOAM_TRY(auto found, index.search(query[0], {.k = 2, .threads = 2}));
  for (const auto& neighbour : found.neighbours)
    std::printf("%.3f %s\n", neighbour.distance, texts[static_cast<std::size_t>(neighbour.id)].c_str());
  // [/index]
  return found.neighbours[0].id == 0 ? Result<void>() : loam::internal_error("the codec should be first");
}

Result<void> rerank() {
  // [rerank]
  LOAM_TRY(auto weighted, loam::weighted_fusion(0.7, 0.3));
  auto by_rank = loam::reciprocal_rank_fusion();
  auto own = loam::callback_reranker(
      "vector only", [](std::string_view, std::vector<loam::RankedCandidate>& rows, const loam::Context&) -> Result<void> {
        for (loam::RankedCandidate& row : rows) row.score = row.vector_score.value_or(-1);
        return {};
      });
  // [/rerank]
  std::vector<loam::RankedCandidate> rows{{.row_id = 1, .vector_rank = 1, .vector_score = 0.9},
                                          {.row_id = 2, .text_rank = 1}};
  for (loam::Reranker* reranker : {weighted.get(), by_rank.get(), own.get()}) {
    LOAM_TRY(reranker->rerank("audio", rows));
    std::printf("%s: %g\n", reranker->name().c_str(), rows[0].score);
  }
  return {};
}

Result<void> run() {
  LOAM_TRY(hash());
  LOAM_TRY(index());
  LOAM_TRY(rerank());
  LengthEmbedder own;
  const std::vector<std::string> texts{"four"};
  LOAM_TRY(auto vectors, own.embed(texts, {}));
  // A key that cannot be sent is refused before anything leaves the machine.
  const auto refused = embed_remotely(texts, "two\nlines");
  if (refused.ok() || vectors[0][0] != 4) return loam::internal_error("an example went wrong");
  return {};
}

}  // namespace

int main() {
  const Result<void> done = run();
  if (!done.ok()) std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
  return done.ok() ? 0 : 1;
}
