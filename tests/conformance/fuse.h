/* SPDX-License-Identifier: MIT */
/* A file system with one file, whose every close ends with the same error. A first read lasts until
 * it is interrupted, and then fails; all others are answered at once. */
#ifndef COIL_TESTS_CONFORMANCE_FUSE_H
#define COIL_TESTS_CONFORMANCE_FUSE_H

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string>
#include <sys/mount.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace coil_test {

class Fuse {
public:
    static constexpr size_t kSize = 256;

    explicit Fuse(int of_close) : of_close_(of_close)
    {
        device_ = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        if (device_ < 0 || mkdtemp(folder_) == nullptr)
            return;
        std::string options =
            "fd=" + std::to_string(device_) + ",rootmode=40000,user_id=0,group_id=0";
        is_mounted_ = mount("coil", folder_, "fuse", 0, options.c_str()) == 0;
        if (is_mounted_)
            server_ = std::thread([this] { serve(); });
    }

    /* Without the mount the device answers ENODEV, which ends the server. */
    ~Fuse()
    {
        if (is_mounted_) {
            umount2(folder_, MNT_DETACH);
            server_.join();
        }
        close(device_);
        rmdir(folder_);
    }

    Fuse(const Fuse &) = delete;
    Fuse &operator=(const Fuse &) = delete;

    bool is_mounted() const { return is_mounted_; }
    std::string file() const { return std::string(folder_) + "/file"; }

    /* Whether the first read comes within a minute. */
    bool has_reader() const
    {
        time_t give_up = time(nullptr) + 60;
        while (first_read_ == 0 && time(nullptr) < give_up)
            std::this_thread::yield();
        return first_read_ != 0;
    }

private:
    void serve()
    {
        alignas(8) char request[FUSE_MIN_READ_BUFFER + 4096];
        for (;;) { /* ends with the mount */
            ssize_t len = read(device_, request, sizeof(request));
            if (len < 0 && errno == ENODEV)
                return;
            if (len > 0)
                answer(*reinterpret_cast<const fuse_in_header *>(request));
        }
    }

    static fuse_attr attributes(uint64_t node)
    {
        fuse_attr attr = {};
        attr.ino = node;
        attr.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
        attr.nlink = 1;
        attr.size = kSize;
        return attr;
    }

    void answer(const fuse_in_header &request)
    {
        fuse_init_out init = {};
        fuse_entry_out entry = {};
        fuse_attr_out attr = {};
        fuse_open_out opened = {};
        init.major = FUSE_KERNEL_VERSION;
        init.minor = FUSE_KERNEL_MINOR_VERSION;
        init.max_write = 4096;
        entry.nodeid = entry.attr.ino = FUSE_ROOT_ID + 1;
        entry.attr = attributes(entry.nodeid);
        attr.attr = attributes(request.nodeid);
        opened.open_flags = FOPEN_DIRECT_IO;
        switch (request.opcode) {
        case FUSE_INIT:
            return reply(request, 0, &init, sizeof(init));
        case FUSE_LOOKUP:
            return reply(request, 0, &entry, sizeof(entry));
        case FUSE_GETATTR:
            return reply(request, 0, &attr, sizeof(attr));
        case FUSE_OPEN:
            return reply(request, 0, &opened, sizeof(opened));
        case FUSE_READ:
            return read_once(request);
        case FUSE_INTERRUPT:
            return interrupt(request);
        case FUSE_FLUSH:
            return reply(request, of_close_, nullptr, 0);
        case FUSE_RELEASE:
            return reply(request, 0, nullptr, 0);
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
            return; /* these want no answer */
        default:
            return reply(request, -ENOSYS, nullptr, 0);
        }
    }

    void read_once(const fuse_in_header &request)
    {
        const auto &in = *reinterpret_cast<const fuse_read_in *>(&request + 1);
        if (first_read_ == 0)
            first_read_ = request.unique;
        else
            reply(request, 0, bytes_, std::min(sizeof(bytes_), size_t(in.size)));
    }

    void interrupt(const fuse_in_header &request) const
    {
        const auto &in = *reinterpret_cast<const fuse_interrupt_in *>(&request + 1);
        fuse_in_header interrupted = {};
        interrupted.unique = in.unique;
        if (in.unique == first_read_)
            reply(interrupted, -EINTR, nullptr, 0);
    }

    void reply(const fuse_in_header &request, int error, const void *body, size_t len) const
    {
        char bytes[sizeof(fuse_out_header) + 256];
        fuse_out_header header = {};
        header.len = uint32_t(sizeof(header) + len);
        header.error = error;
        header.unique = request.unique;
        memcpy(bytes, &header, sizeof(header));
        if (len > 0)
            memcpy(bytes + sizeof(header), body, len);
        ssize_t written = write(device_, bytes, header.len);
        (void)written; /* nobody waits for it any more */
    }

    const char bytes_[kSize] = {};
    std::atomic<uint64_t> first_read_{0};
    int of_close_;
    int device_ = -1;
    char folder_[32] = "/tmp/coil-fuse-XXXXXX";
    bool is_mounted_ = false;
    std::thread server_;
};

} // namespace coil_test

#endif
