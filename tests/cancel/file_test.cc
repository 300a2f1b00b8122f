/* SPDX-License-Identifier: MIT */
/* Cancelling operations on files: most are done by the kernel's workers, or at once. */
#include "cancel/cancel.h"

#include <coil/file.h>
#include <support/process.h>
#include <sys/stat.h>
#include <sys/uio.h>

namespace {

using namespace coil_test;

struct OnFile : Operation {
    TempDir folder;
    std::string path = folder.path("file");
    Fd file{open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)};
    std::string content = pattern(0, kSize);

    static constexpr size_t kSize = 64 << 10;

    OnFile()
    {
        has_peer = false;
        EXPECT_EQ(ssize_t(kSize), pwrite(file, content.data(), kSize, 0));
    }
};

/* What an operation is given: one piece of memory, in both forms. */
struct Args {
    int fd;
    char *data;
    size_t len;
    off_t offset;
    iovec pieces[2];
};

struct FileOp {
    void (*start)(coil_future *, Args &);
    ssize_t (*call)(Args &);
};

/* A piece of the file, at a random place. */
struct OfPiece : OnFile {
    const FileOp &op;
    Args args{};
    static constexpr size_t kMost = 4096;

    explicit OfPiece(const FileOp &file_op) : op(file_op) { has_future = op.start != nullptr; }

    void set(char *data)
    {
        size_t len = 1 + pick(kMost);
        args = {file,
                data,
                len,
                off_t(pick(kSize - len)),
                {{data, len / 2}, {data + len / 2, len - len / 2}}};
    }
    void start(coil_future *future) override { op.start(future, args); }
    ssize_t call() override { return op.call(args); }
};

struct Reading : OfPiece {
    Guarded buffer{kMost};

    using OfPiece::OfPiece;
    void begin() override
    {
        buffer.wipe();
        set(buffer.data());
    }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == ssize_t(args.len) || result == -ECANCELED);
        ASSERT_TRUE(buffer.untouched_but(result < 0 ? 0 : args.len));
        ASSERT_TRUE(result < 0 ||
                    content.substr(size_t(args.offset), args.len) == buffer.text(args.len));
    }
};

struct Writing : OfPiece {
    std::string bytes;

    using OfPiece::OfPiece;
    void begin() override
    {
        bytes = pattern(random(), kMost);
        set(bytes.data());
    }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == ssize_t(args.len) || result == -ECANCELED);
        if (result > 0)
            content.replace(size_t(args.offset), args.len, bytes, 0, args.len);
        std::string now(kSize, '\0');
        ASSERT_EQ(ssize_t(kSize), pread(file, now.data(), kSize, 0));
        ASSERT_TRUE(content == now) << "the file is not what the result says";
    }
};

struct Syncing : OnFile {
    Syncing() { may_drop = true; }
    void begin() override { EXPECT_EQ(1, pwrite(file, "!", 1, off_t(pick(kSize)))); }
    void start(coil_future *future) override { coil_fsync_start(future, file); }
    ssize_t call() override { return coil_fsync(file); }
    void end(ssize_t result) override { ASSERT_TRUE(result == 0 || result == -ECANCELED); }
};

struct SyncingData : Syncing {
    void start(coil_future *future) override { coil_fdatasync_start(future, file); }
    ssize_t call() override { return coil_fdatasync(file); }
};

struct Statxing : OnFile {
    struct statx out;

    void begin() override { memset(&out, 0xA5, sizeof(out)); }
    void start(coil_future *future) override
    {
        coil_statx_start(future, AT_FDCWD, path.c_str(), 0, STATX_SIZE, &out);
    }
    ssize_t call() override { return coil_statx(AT_FDCWD, path.c_str(), 0, STATX_SIZE, &out); }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == 0 || result == -ECANCELED);
        ASSERT_EQ(result == 0 ? kSize : 0xA5A5A5A5A5A5A5A5u, out.stx_size);
    }
};

template <class T, const FileOp &op> std::unique_ptr<Operation> make_file()
{
    return std::make_unique<T>(op);
}

const FileOp kPread = {
    [](coil_future *f, Args &a) { coil_pread_start(f, a.fd, a.data, a.len, a.offset); },
    [](Args &a) { return coil_pread(a.fd, a.data, a.len, a.offset); }};
const FileOp kPreadv = {
    [](coil_future *f, Args &a) { coil_preadv_start(f, a.fd, a.pieces, 2, a.offset); },
    [](Args &a) { return coil_preadv(a.fd, a.pieces, 2, a.offset); }};
const FileOp kPreadAll = {nullptr,
                          [](Args &a) { return coil_pread_all(a.fd, a.data, a.len, a.offset); }};
const FileOp kPwrite = {
    [](coil_future *f, Args &a) { coil_pwrite_start(f, a.fd, a.data, a.len, a.offset); },
    [](Args &a) { return coil_pwrite(a.fd, a.data, a.len, a.offset); }};
const FileOp kPwritev = {
    [](coil_future *f, Args &a) { coil_pwritev_start(f, a.fd, a.pieces, 2, a.offset); },
    [](Args &a) { return coil_pwritev(a.fd, a.pieces, 2, a.offset); }};
const FileOp kPwriteAll = {nullptr,
                           [](Args &a) { return coil_pwrite_all(a.fd, a.data, a.len, a.offset); }};

constexpr const char *kCached = "from the page cache the kernel reads at once";

const CancelRow kRows[] = {
    /* call             before   in flight racing    after */
    {"coil_pread", REFUSED, HAPPENED, HAPPENED, HAPPENED, kCached, make_file<Reading, kPread>},
    {"coil_preadv", REFUSED, HAPPENED, HAPPENED, HAPPENED, kCached, make_file<Reading, kPreadv>},
    {"coil_pread_all", REFUSED, HAPPENED, HAPPENED, HAPPENED, kCached,
     make_file<Reading, kPreadAll>},
    {"coil_pwrite", REFUSED, EITHER, EITHER, HAPPENED, "", make_file<Writing, kPwrite>},
    {"coil_pwritev", REFUSED, EITHER, EITHER, HAPPENED, "", make_file<Writing, kPwritev>},
    {"coil_pwrite_all", REFUSED, EITHER, EITHER, HAPPENED, "", make_file<Writing, kPwriteAll>},
    {"coil_fsync", REFUSED, EITHER, EITHER, HAPPENED, "", make<Syncing>},
    {"coil_fdatasync", REFUSED, EITHER, EITHER, HAPPENED, "", make<SyncingData>},
    {"coil_statx", REFUSED, EITHER, EITHER, HAPPENED, "", make<Statxing>},
};
INSTANTIATE_TEST_SUITE_P(File, CancelledOperation, testing::ValuesIn(kRows), name_of_row);

} // namespace
