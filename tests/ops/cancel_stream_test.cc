/* SPDX-License-Identifier: MIT */
/* Cancelling what moves bytes: they are delivered, or they did not move. */
#include "ops/race.h"

#include <coil/fd.h>
#include <coil/net.h>
#include <sys/uio.h>

namespace {

using namespace coil_test;

constexpr int kRounds = 2000;

/* What an operation is given: one piece of memory, in each of the forms they come in. */
struct Args {
    int fd;
    char *data;
    size_t len;
    iovec pieces[3];
    msghdr message;

    void set(int descriptor, char *bytes, size_t count)
    {
        size_t third = count / 3;
        fd = descriptor;
        data = bytes;
        len = count;
        pieces[0] = {bytes, third};
        pieces[1] = {bytes + third, third};
        pieces[2] = {bytes + 2 * third, count - 2 * third};
        message = {};
        message.msg_iov = pieces;
        message.msg_iovlen = 3;
    }
};

struct StreamOp {
    const char *name;
    bool on_pipe;
    void (*start)(coil_future *, Args &);
    ssize_t (*call)(Args &);
};

/* Pieces of 1 to 64 bytes come in; each is taken by the operation, or by us after it. */
class Incoming : public Race {
public:
    explicit Incoming(const StreamOp &op)
        : op_(op), pair_(op.on_pipe ? make_pipe() : make_socketpair())
    {}

    void begin() override
    {
        sending_ = 1 + pick(64);
        buffer_.wipe();
        args_.set(pair_.left, buffer_.data(), buffer_.size());
    }

    void start(coil_future *future) override { op_.start(future, args_); }
    ssize_t call() override { return op_.call(args_); }

    void complete() override
    {
        std::string bytes = pattern(sent_, sending_);
        EXPECT_EQ(ssize_t(sending_), write(pair_.right, bytes.data(), bytes.size()));
        sent_ += sending_;
    }

    void end(ssize_t result) override
    {
        size_t got = result > 0 ? size_t(result) : 0;
        ASSERT_TRUE(result > 0 || result == -ECANCELED);
        ASSERT_EQ(pattern(received_, got), buffer_.text(got));
        received_ += got;
        take_rest();
        EXPECT_TRUE(buffer_.untouched_but(got)) << "the kernel wrote after it let go";
    }

private:
    void take_rest()
    {
        char rest[64];
        size_t missing = size_t(sent_ - received_);
        ASSERT_EQ(missing, bytes_waiting(pair_.left));
        if (missing == 0)
            return;
        ASSERT_EQ(ssize_t(missing), read(pair_.left, rest, sizeof(rest)));
        ASSERT_EQ(pattern(received_, missing), std::string(rest, missing));
        received_ = sent_;
    }

    const StreamOp &op_;
    Pair pair_;
    Guarded buffer_{96};
    Args args_{};
    uint64_t sent_ = 0, received_ = 0;
    size_t sending_ = 0;
};

/* The other side is full until the peer empties it. What it gets is what the results say. */
class Outgoing : public Race {
public:
    explicit Outgoing(const StreamOp &op)
        : op_(op), pair_(op.on_pipe ? make_pipe(4096) : make_socketpair())
    {
        if (op.on_pipe)
            return;
        std::swap(pair_.left, pair_.right); /* as with a pipe, we write to the right one */
        shrink_buffer(pair_.right, SO_SNDBUF, 4096);
    }

    void begin() override
    {
        fill();
        text_ = pattern(sent_, op_.on_pipe ? 1 + pick(4096) : 1 + pick(16384));
        args_.set(pair_.right, text_.data(), text_.size());
    }

    void start(coil_future *future) override { op_.start(future, args_); }
    ssize_t call() override { return op_.call(args_); }
    void complete() override { drain(); }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result > 0 || result == -ECANCELED);
        sent_ += result > 0 ? uint64_t(result) : 0;
        drain();
        ASSERT_EQ(sent_, received_);
    }

private:
    /* In large pieces first, then with what little fits beside them. A pipe has one page. */
    void fill()
    {
        for (size_t len : {size_t(4096), size_t(1)}) {
            ssize_t n = 0;
            while (n >= 0 && (!op_.on_pipe || holds(pair_.right, POLLOUT))) {
                std::string bytes = pattern(sent_, len);
                n = op_.on_pipe ? write(pair_.right, bytes.data(), len)
                                : send(pair_.right, bytes.data(), len, MSG_DONTWAIT);
                sent_ += n > 0 ? uint64_t(n) : 0;
            }
        }
    }

    void drain()
    {
        static thread_local char bytes[65536];
        while (holds(pair_.left, POLLIN)) { /* ends: the sender stops */
            ssize_t n = read(pair_.left, bytes, sizeof(bytes));
            ASSERT_GT(n, 0);
            ASSERT_EQ(pattern(received_, size_t(n)), std::string(bytes, size_t(n)));
            received_ += uint64_t(n);
        }
    }

    const StreamOp &op_;
    Pair pair_;
    std::string text_;
    Args args_{};
    uint64_t sent_ = 0, received_ = 0;
};

void PrintTo(const StreamOp &op, std::ostream *out)
{
    *out << op.name;
}

std::string name_of(const testing::TestParamInfo<StreamOp> &info)
{
    return info.param.name;
}

struct CancelledIncoming : testing::TestWithParam<StreamOp> {};

TEST_P(CancelledIncoming, LosesNoByteAndWritesNoneLate)
{
    EXPECT_EQ(0, run([] {
                  Incoming race(GetParam());
                  run_race(race, rounds(kRounds));
                  return 0;
              }));
}

struct CancelledOutgoing : testing::TestWithParam<StreamOp> {};

TEST_P(CancelledOutgoing, SentWhatItsResultSays)
{
    EXPECT_EQ(0, run([] {
                  Outgoing race(GetParam());
                  run_race(race, rounds(kRounds));
                  return 0;
              }));
}

const StreamOp kIncoming[] = {
    {"Read", true, [](coil_future *f, Args &a) { coil_read_start(f, a.fd, a.data, a.len); },
     [](Args &a) { return coil_read(a.fd, a.data, a.len); }},
    {"ReadOfASocket", false,
     [](coil_future *f, Args &a) { coil_read_start(f, a.fd, a.data, a.len); },
     [](Args &a) { return coil_read(a.fd, a.data, a.len); }},
    {"Readv", true, [](coil_future *f, Args &a) { coil_readv_start(f, a.fd, a.pieces, 3); },
     [](Args &a) { return coil_readv(a.fd, a.pieces, 3); }},
    {"Recv", false, [](coil_future *f, Args &a) { coil_recv_start(f, a.fd, a.data, a.len, 0); },
     [](Args &a) { return coil_recv(a.fd, a.data, a.len, 0); }},
    {"RecvOfAll", false,
     [](coil_future *f, Args &a) { coil_recv_start(f, a.fd, a.data, 32, MSG_WAITALL); },
     [](Args &a) { return coil_recv(a.fd, a.data, 32, MSG_WAITALL); }},
    {"Recvmsg", false, [](coil_future *f, Args &a) { coil_recvmsg_start(f, a.fd, &a.message, 0); },
     [](Args &a) { return coil_recvmsg(a.fd, &a.message, 0); }},
};
INSTANTIATE_TEST_SUITE_P(Ops, CancelledIncoming, testing::ValuesIn(kIncoming), name_of);

const StreamOp kOutgoing[] = {
    {"Write", true, [](coil_future *f, Args &a) { coil_write_start(f, a.fd, a.data, a.len); },
     [](Args &a) { return coil_write(a.fd, a.data, a.len); }},
    {"Writev", true, [](coil_future *f, Args &a) { coil_writev_start(f, a.fd, a.pieces, 3); },
     [](Args &a) { return coil_writev(a.fd, a.pieces, 3); }},
    {"Send", false, [](coil_future *f, Args &a) { coil_send_start(f, a.fd, a.data, a.len, 0); },
     [](Args &a) { return coil_send(a.fd, a.data, a.len, 0); }},
    {"SendOfAll", false,
     [](coil_future *f, Args &a) { coil_send_start(f, a.fd, a.data, a.len, MSG_WAITALL); },
     [](Args &a) { return coil_send(a.fd, a.data, a.len, MSG_WAITALL); }},
    {"Sendmsg", false, [](coil_future *f, Args &a) { coil_sendmsg_start(f, a.fd, &a.message, 0); },
     [](Args &a) { return coil_sendmsg(a.fd, &a.message, 0); }},
};
INSTANTIATE_TEST_SUITE_P(Ops, CancelledOutgoing, testing::ValuesIn(kOutgoing), name_of);

} // namespace
