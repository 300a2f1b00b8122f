/* SPDX-License-Identifier: MIT */
/* Cancelling what moves bytes: they are delivered, or they did not move. */
#include "cancel/cancel.h"

#include <coil/fd.h>
#include <coil/net.h>
#include <sys/uio.h>

namespace {

using namespace coil_test;

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
    bool on_pipe, all; /* all: it goes on until it has moved all that was asked for */
    void (*start)(coil_future *, Args &);
    ssize_t (*call)(Args &);
};

/* Pieces of 1 to 64 bytes come in; each is taken by the operation, or by us after it. One that
 * wants all has got a part of it already when it begins to wait. */
class Incoming : public Operation {
public:
    explicit Incoming(const StreamOp &op)
        : op_(op), pair_(op.on_pipe ? make_pipe() : make_socketpair())
    {
        has_future = op.start != nullptr;
    }

    void begin() override
    {
        sending_ = 1 + pick(64);
        size_t early = op_.all ? 1 + pick(32) : 0;
        buffer_.wipe();
        args_.set(pair_.left, buffer_.data(), op_.all ? early + sending_ : buffer_.size());
        if (early > 0)
            send_piece(early);
    }

    void start(coil_future *future) override { op_.start(future, args_); }
    ssize_t call() override { return op_.call(args_); }
    void complete() override { send_piece(sending_); }
    bool was_stopped(ssize_t result) const override
    {
        return result < (op_.all ? ssize_t(args_.len) : 0);
    }

    void end(ssize_t result) override
    {
        size_t got = result > 0 ? size_t(result) : 0;
        ASSERT_TRUE(result > 0 || result == -ECANCELED);
        ASSERT_TRUE(pattern(received_, got) == buffer_.text(got));
        received_ += got;
        take_rest();
        EXPECT_TRUE(buffer_.untouched_but(got)) << "the kernel wrote after it let go";
    }

private:
    void send_piece(size_t len)
    {
        std::string bytes = pattern(sent_, len);
        EXPECT_EQ(ssize_t(len), write(pair_.right, bytes.data(), len));
        sent_ += len;
    }

    void take_rest()
    {
        char rest[96];
        size_t missing = size_t(sent_ - received_);
        ASSERT_EQ(missing, bytes_waiting(pair_.left)) << "a byte was lost";
        if (missing == 0)
            return;
        ASSERT_EQ(ssize_t(missing), read(pair_.left, rest, sizeof(rest)));
        ASSERT_TRUE(pattern(received_, missing) == std::string(rest, missing));
        received_ = sent_;
    }

    const StreamOp &op_;
    Pair pair_;
    Guarded buffer_{96};
    Args args_{};
    uint64_t sent_ = 0, received_ = 0;
    size_t sending_ = 0;
};

/* The other side is full until the peer empties it; one that wants to move all fills it itself.
 * What comes out is what the results say. */
class Outgoing : public Operation {
public:
    explicit Outgoing(const StreamOp &op)
        : Outgoing(op, op.on_pipe ? make_pipe(4096) : make_socketpair())
    {}

    Outgoing(const StreamOp &op, Pair pair) : op_(op), pair_(std::move(pair))
    {
        has_future = op.start != nullptr;
        if (!op.on_pipe) {
            std::swap(pair_.left, pair_.right); /* as with a pipe, we write to the right one */
            shrink_buffer(pair_.right, SO_SNDBUF, 4096);
        }
        capacity_ = write_at_once(64 << 10);
        drain();
    }

    void begin() override
    {
        if (!op_.all)
            fill();
        size_t len = 1 + (op_.all ? capacity_ + pick(capacity_ / 4) : pick(capacity_));
        text_ = pattern(sent_, len);
        args_.set(pair_.right, text_.data(), len);
    }

    void start(coil_future *future) override { op_.start(future, args_); }
    ssize_t call() override { return op_.call(args_); }
    void complete() override { drain(); }
    bool was_stopped(ssize_t result) const override
    {
        return result < (op_.all ? ssize_t(args_.len) : 0);
    }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result > 0 || result == -ECANCELED);
        sent_ += result > 0 ? uint64_t(result) : 0;
        drain();
        ASSERT_EQ(sent_, received_);
    }

protected:
    /* Writes what fits and no more. A pipe of one page takes any length then. */
    size_t write_at_once(size_t len)
    {
        std::string bytes = pattern(sent_, len);
        ssize_t n = op_.on_pipe ? write(pair_.right, bytes.data(), std::min(len, size_t(4096)))
                                : send(pair_.right, bytes.data(), len, MSG_DONTWAIT);
        sent_ += n > 0 ? uint64_t(n) : 0;
        return n > 0 ? size_t(n) : 0;
    }

    /* In large pieces first, then with what little fits beside them. */
    void fill()
    {
        for (size_t len : {size_t(4096), size_t(1)}) {
            bool fits = true;
            while (fits && (!op_.on_pipe || holds(pair_.right, POLLOUT))) /* ends: it gets full */
                fits = write_at_once(len) > 0;
        }
    }

    void drain()
    {
        static thread_local char bytes[65536];
        while (holds(pair_.left, POLLIN)) { /* ends: the sender stops */
            ssize_t n = read(pair_.left, bytes, sizeof(bytes));
            ASSERT_GT(n, 0);
            ASSERT_TRUE(pattern(received_, size_t(n)) == std::string(bytes, size_t(n)));
            received_ += uint64_t(n);
        }
    }

    const StreamOp &op_;
    Pair pair_;
    size_t capacity_;
    std::string text_;
    Args args_{};
    uint64_t sent_ = 0, received_ = 0;
};

/* Over TCP, where what was sent is on its way for a moment, and may be held until it has arrived.
 */
class OutgoingOverTcp : public Outgoing {
public:
    explicit OutgoingOverTcp(const StreamOp &op) : Outgoing(op, make_small_pair())
    {
        slowness = 40; /* who receives takes its time to acknowledge */
        gets_room = true;
    }

    void begin() override
    {
        Outgoing::begin();
        for (uint64_t before = 0; before != sent_;) { /* ends: the peer takes nothing */
            before = sent_;
            turn();
            fill();
        }
    }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result > 0 || result == -ECANCELED);
        sent_ += result > 0 ? uint64_t(result) : 0;
        ASSERT_TRUE(turn_until([this] {
            drain();
            return received_ >= sent_;
        }));
        ASSERT_EQ(sent_, received_);
    }

private:
    static Pair make_small_pair()
    {
        Pair pair = make_tcp_pair();
        shrink_buffer(pair.right, SO_RCVBUF, 64 << 10);
        return pair;
    }
};

template <class T, const StreamOp &op> std::unique_ptr<Operation> make_stream()
{
    return std::make_unique<T>(op);
}

const StreamOp kRead = {true, false,
                        [](coil_future *f, Args &a) { coil_read_start(f, a.fd, a.data, a.len); },
                        [](Args &a) { return coil_read(a.fd, a.data, a.len); }};
const StreamOp kReadOfASocket = {false, false, kRead.start, kRead.call};
const StreamOp kReadv = {true, false,
                         [](coil_future *f, Args &a) { coil_readv_start(f, a.fd, a.pieces, 3); },
                         [](Args &a) { return coil_readv(a.fd, a.pieces, 3); }};
const StreamOp kReadAll = {true, true, nullptr,
                           [](Args &a) { return coil_read_all(a.fd, a.data, a.len); }};
const StreamOp kRecv = {false, false,
                        [](coil_future *f, Args &a) { coil_recv_start(f, a.fd, a.data, a.len, 0); },
                        [](Args &a) { return coil_recv(a.fd, a.data, a.len, 0); }};
const StreamOp kRecvOfAll = {
    false, true,
    [](coil_future *f, Args &a) { coil_recv_start(f, a.fd, a.data, a.len, MSG_WAITALL); },
    [](Args &a) { return coil_recv(a.fd, a.data, a.len, MSG_WAITALL); }};
const StreamOp kRecvAll = {false, true, nullptr,
                           [](Args &a) { return coil_recv_all(a.fd, a.data, a.len, 0); }};
const StreamOp kRecvmsg = {
    false, false, [](coil_future *f, Args &a) { coil_recvmsg_start(f, a.fd, &a.message, 0); },
    [](Args &a) { return coil_recvmsg(a.fd, &a.message, 0); }};

const StreamOp kWrite = {true, false,
                         [](coil_future *f, Args &a) { coil_write_start(f, a.fd, a.data, a.len); },
                         [](Args &a) { return coil_write(a.fd, a.data, a.len); }};
const StreamOp kWritev = {true, false,
                          [](coil_future *f, Args &a) { coil_writev_start(f, a.fd, a.pieces, 3); },
                          [](Args &a) { return coil_writev(a.fd, a.pieces, 3); }};
const StreamOp kWriteAll = {true, true, nullptr,
                            [](Args &a) { return coil_write_all(a.fd, a.data, a.len); }};
const StreamOp kSend = {false, false,
                        [](coil_future *f, Args &a) { coil_send_start(f, a.fd, a.data, a.len, 0); },
                        [](Args &a) { return coil_send(a.fd, a.data, a.len, 0); }};
const StreamOp kSendOfAll = {
    false, false,
    [](coil_future *f, Args &a) { coil_send_start(f, a.fd, a.data, a.len, MSG_WAITALL); },
    [](Args &a) { return coil_send(a.fd, a.data, a.len, MSG_WAITALL); }};
const StreamOp kSendAll = {false, true, nullptr,
                           [](Args &a) { return coil_send_all(a.fd, a.data, a.len, 0); }};
const StreamOp kSendZc = {
    false, false, [](coil_future *f, Args &a) { coil_send_zc_start(f, a.fd, a.data, a.len, 0); },
    [](Args &a) { return coil_send_zc(a.fd, a.data, a.len, 0); }};
const StreamOp kSendZcAll = {false, true, nullptr,
                             [](Args &a) { return coil_send_zc_all(a.fd, a.data, a.len, 0); }};
const StreamOp kSendmsg = {
    false, false, [](coil_future *f, Args &a) { coil_sendmsg_start(f, a.fd, &a.message, 0); },
    [](Args &a) { return coil_sendmsg(a.fd, &a.message, 0); }};

constexpr const char *kParts = "it sends parts of any size, so that to empty the other side once "
                               "need not be enough";

const CancelRow kRows[] = {
    /* call                     before   in flight racing  after */
    {"coil_read", REFUSED, STOPPED, EITHER, HAPPENED, "", make_stream<Incoming, kRead>},
    {"coil_read_of_a_socket", REFUSED, STOPPED, EITHER, HAPPENED, "",
     make_stream<Incoming, kReadOfASocket>},
    {"coil_readv", REFUSED, STOPPED, EITHER, HAPPENED, "", make_stream<Incoming, kReadv>},
    {"coil_read_all", REFUSED, PARTLY, EITHER, HAPPENED, "", make_stream<Incoming, kReadAll>},
    {"coil_recv", REFUSED, STOPPED, EITHER, HAPPENED, "", make_stream<Incoming, kRecv>},
    {"coil_recv_with_waitall", REFUSED, SHORT, EITHER, HAPPENED, "",
     make_stream<Incoming, kRecvOfAll>},
    {"coil_recv_all", REFUSED, PARTLY, EITHER, HAPPENED, "", make_stream<Incoming, kRecvAll>},
    {"coil_recvmsg", REFUSED, STOPPED, EITHER, HAPPENED, "", make_stream<Incoming, kRecvmsg>},
    {"coil_write", REFUSED, STOPPED, EITHER, HAPPENED, "", make_stream<Outgoing, kWrite>},
    {"coil_writev", REFUSED, STOPPED, EITHER, HAPPENED, "", make_stream<Outgoing, kWritev>},
    {"coil_write_all", REFUSED, PARTLY, EITHER, HAPPENED, "", make_stream<Outgoing, kWriteAll>,
     kParts},
    {"coil_send", REFUSED, STOPPED, EITHER, HAPPENED, "", make_stream<Outgoing, kSend>},
    {"coil_send_with_waitall", REFUSED, STOPPED, EITHER, HAPPENED, "",
     make_stream<Outgoing, kSendOfAll>},
    {"coil_send_all", REFUSED, PARTLY, EITHER, HAPPENED, "", make_stream<Outgoing, kSendAll>,
     kParts},
    {"coil_send_zc", REFUSED, STOPPED, EITHER, HAPPENED, "", make_stream<OutgoingOverTcp, kSendZc>},
    /* Of a Unix socket the kernel has to say first that a copy is needed. */
    {"coil_send_zc_all", REFUSED, EITHER, EITHER, HAPPENED, "", make_stream<Outgoing, kSendZcAll>,
     kParts},
    {"coil_sendmsg", REFUSED, STOPPED, EITHER, HAPPENED, "", make_stream<Outgoing, kSendmsg>},
};
INSTANTIATE_TEST_SUITE_P(Stream, CancelledOperation, testing::ValuesIn(kRows), name_of_row);

} // namespace
