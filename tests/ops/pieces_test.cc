/* SPDX-License-Identifier: MIT */
/* Transfers of a turn: when the kernel hears of them. */
#include <liburing.h>

extern "C" {
#include "ring/ring.h"
}

#include "ops/sockets.h"
#include "support/process.h"
#include "support/running.h"

#include <string>
#include <sys/uio.h>
#include <vector>

using namespace coil_test;

namespace {

constexpr unsigned kPiece = 4, kRest = 1024; /* as in ring/ring.c */

unsigned queued()
{
    return coil__ring_unsubmitted(coil__ring_here);
}

/* Reads that are started in one turn, and how many of them wait for its end after each start. */
class Reads {
public:
    ~Reads()
    {
        for (coil_future &future : futures_)
            coil_future_drop(&future);
    }

    std::vector<unsigned> start(int fd, unsigned count)
    {
        std::vector<unsigned> waiting;
        for (unsigned i = 0; i < count; i++) {
            futures_.emplace_back();
            pieces_.push_back({&byte_, 1});
            if (i % 2 == 0)
                coil_pread_start(&futures_.back(), fd, &byte_, 1, 0);
            else
                coil_preadv_start(&futures_.back(), fd, &pieces_.back(), 1, 0);
            waiting.push_back(queued());
        }
        return waiting;
    }

private:
    char byte_ = 0;
    std::list<coil_future> futures_;
    std::list<iovec> pieces_;
};

Fd make_cached(const TempDir &dir)
{
    write_file(dir.path("file"), "0123456789");
    Fd file(open(dir.path("file").c_str(), O_RDWR | O_CLOEXEC));
    char byte;
    EXPECT_EQ(1, pread(file, &byte, 1, 0));
    return file;
}

using Counts = std::vector<unsigned>;

/* An empty pipe is as slow as a device. */
TEST(Pieces, OfWhatIsNotDoneAtOnceGoInAsTheyCome)
{
    EXPECT_EQ(0,
              run(
                  [] {
                      Pair pipe = make_pipe();
                      Reads reads;
                      EXPECT_EQ((Counts{1, 2, 3, 0, 1, 2, 3, 0, 1, 2}), reads.start(pipe.left, 10));
                      turn(1);
                      EXPECT_EQ(0u, queued());
                      Reads more; /* whatever was queued in between */
                      COIL_FUTURE(nop);
                      coil_nop_start(&nop);
                      EXPECT_EQ((Counts{2, 3, 0, 1}), more.start(pipe.left, 4));
                      EXPECT_EQ(0, coil_await(&nop));
                      return 0;
                  },
                  on_kernel()));
}

TEST(Pieces, OfWhatIsDoneAtOnceGoInWithTheirTurn)
{
    TempDir dir;
    EXPECT_EQ(0,
              run(
                  [&] {
                      Fd file = make_cached(dir);
                      {
                          Reads reads;
                          EXPECT_EQ((Counts{1, 2, 3, 0, 1, 2, 3, 4, 5, 6}), reads.start(file, 10));
                      }
                      Reads more;
                      EXPECT_EQ((Counts{1, 2, 3, 4, 5, 6}), more.start(file, 6));
                      return 0;
                  },
                  on_kernel()));
}

TEST(Pieces, AreTriedAgainAfterAWhile)
{
    TempDir dir;
    EXPECT_EQ(0, run(
                     [&] {
                         Fd file = make_cached(dir);
                         {
                             Reads reads;
                             reads.start(file, kPiece);
                         }
                         char byte;
                         for (unsigned i = 0; i < kRest; i++) {
                             COIL_FUTURE(nop); /* lest the read be alone in its turn */
                             coil_nop_start(&nop);
                             EXPECT_EQ(1, coil_pread(file, &byte, 1, 0));
                             EXPECT_EQ(0, coil_await(&nop));
                         }
                         Pair pipe = make_pipe();
                         Reads reads;
                         EXPECT_EQ((Counts{1, 2, 3, 0, 1, 2, 3, 0}), reads.start(pipe.left, 8));
                         return 0;
                     },
                     on_kernel()));
}

TEST(Pieces, AreTheKernelsAlone)
{
    for (const char *ring : {"poll", "sim:1,faults=off"}) {
        coil_options options = cores(1);
        options.ring = ring;
        EXPECT_EQ(0, run(
                         [] {
                             Reads reads;
                             EXPECT_EQ((Counts{1, 2, 3, 4, 5, 6}), reads.start(-1, 6));
                             return 0;
                         },
                         options));
    }
}

} // namespace
