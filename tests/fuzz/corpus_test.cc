/* SPDX-License-Identifier: MIT */
/* The fuzzer's corpus, and random bytes, without libFuzzer. */
#include "world.h"

#include "support/sanitizer.h"

#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

namespace {

using Bytes = std::vector<uint8_t>;

/* One input a line, in hex. */
std::vector<Bytes> read_corpus()
{
    std::ifstream file(COIL_TEST_SOURCE_DIR "/tests/fuzz/corpus.hex");
    std::vector<Bytes> corpus;
    for (std::string line; std::getline(file, line);) {
        Bytes bytes;
        for (size_t i = 0; i + 1 < line.size(); i += 2)
            bytes.push_back(uint8_t(std::stoul(line.substr(i, 2), nullptr, 16)));
        corpus.push_back(bytes);
    }
    return corpus;
}

/* Aborts where something is wrong. */
uint64_t run(const Bytes &bytes)
{
    return coil_fuzz::run_program(bytes.data(), bytes.size());
}

} // namespace

TEST(Fuzz, ReplaysItsCorpus)
{
    std::vector<Bytes> corpus = read_corpus();
    ASSERT_GT(corpus.size(), 20u);
    for (const Bytes &bytes : corpus)
        run(bytes);
}

TEST(Fuzz, ReplaysAnInputExactly)
{
    std::vector<Bytes> corpus = read_corpus();
    for (size_t i = 0; i < corpus.size(); i += COIL_TEST_INSTRUMENTED ? 8 : 1)
        EXPECT_EQ(run(corpus[i]), run(corpus[i])) << "line " << i + 1;
}

TEST(Fuzz, FindsRandomBytesToBeAProgramToo)
{
    std::minstd_rand random(42);
    for (unsigned left = COIL_TEST_INSTRUMENTED ? 50 : 500; left > 0; left--) {
        Bytes bytes(random() % 300);
        for (uint8_t &byte : bytes)
            byte = uint8_t(random() >> 8);
        run(bytes);
    }
}
