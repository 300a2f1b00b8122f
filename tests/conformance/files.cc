/* SPDX-License-Identifier: MIT */
/* Files: opening, reading, writing, and what is told of them. */
#include "conformance/script.h"

namespace conformance {

const Scripts kFileScripts = {
    {"OpenWhatIsNotThere", R"(
        open f nothing rdonly
        open f nothing rdwr trunc
        open f no/where rdwr creat
        open f nothing/ rdonly
        open f '' rdonly
        open f long rdwr creat
        statx nothing
        statx ''
        statx long
    )"},
    {"OpenCreatesOnce", R"(
        open f new rdwr creat excl
        open g new rdwr creat excl
        open g new rdwr creat
        write f hello
        read g 10
    )"},
    {"OpenTruncates", R"(
        open f file rdwr creat
        write f hello
        open g file wronly trunc
        fstatx f
        pread f 10 0
        write g hi
        pread f 10 0
    )"},
    {"OpenAppends", R"(
        open f file wronly creat append
        write f one
        open g file rdwr
        pwrite g O 0
        write f two
        pwrite f three 1
        pread g 20 0
    )"},
    {"OpenADirectory", R"(
        open d . rdonly
        read d 10
        pread d 10 0
        write d x
        fsync d
        open e . wronly
        open e . rdwr
        open e . rdonly directory
        fstatx d
        statx .
        open e . rdwr creat
        poll d in
    )"},
    {"OpenAFileAsADirectory", R"(
        open f file rdwr creat
        open d file rdonly directory
        open d file/below rdonly
        open d file/below rdwr creat
        statx file/below
        statx file/
        open d file/ rdonly
    )"},
    {"OpenForOneWay", R"(
        open r file rdonly creat
        open w file wronly
        write r x
        pwrite r x 0
        write w hello
        read w 10
        pread w 10 0
        read r 10
        fsync r
        fsync w
    )"},
    {"FileEnds", R"(
        open f file rdwr creat
        write f hello
        pread f 10 0
        pread f 10 4
        pread f 10 5
        pread f 10 600
        pread f 0 0
        read f 10
    )"},
    {"FileHasAPosition", R"(
        open f file rdwr creat
        write f hello
        write f ,world
        open g file rdonly
        read g 5
        read g 3
        pread g 3 0
        read g 100
        read g 100
        pwrite f H 0
        write f !
        pread g 100 0
    )"},
    {"FileHasAHole", R"(
        open f file rdwr creat
        pwrite f end 5000
        fstatx f
        pread f 3 5000
        pwrite f start 0
        pread f 5 0
        pread f 3 5000
        statx file
    )"},
    {"FileAtWrongOffsets", R"(
        open f file rdwr creat
        pread f 1 -2
        pwrite f x -2
        pwrite f '' 100
        fstatx f
    )"},
    {"FileInPieces", R"(
        open f file rdwr creat
        writev f ab,'',cde
        pwritev f XY,Z 1
        preadv f 2,2,9 0
        preadv f 3,3 4
        preadv f 3,3 5
        open g file rdonly
        readv g 1,2
        readv g 9,9
    )"},
    {"FileIsSynced", R"(
        open f file rdwr creat
        write f hello
        fsync f
        fdatasync f
        close f
        fsync f
        open g file rdonly
        read g 10
    )"},
    {"FileIsRegistered", R"(
        open f file rdwr creat
        open g other rdwr creat
        register f
        pwrite f hello 0
        register f
        register g
        pwritev g ab,cd 1
        unregister f
        pread f 10 0
        preadv g 2,9 0
        unregister f
        fsync g
        fdatasync f
        close g
        register g
        unregister g
        pread g 10 0
        fsync g
        open h other rdonly
        register h
        pread h 10 0
        pwrite h x 0
    )"},
    {"WhatIsRegisteredAndNoFile", R"(
        tcp c s
        register c
        register s
        send c hello
        pread s 10 0
        pipe r w
        register r
        begin i pread r 10 0
        settle
        close r
        await i
        socket l inet stream
        register l
        fsync l
    )"},
    {"SyncOfWhatHasNoDisk", R"(
        tcp c s
        fsync c
        fdatasync c
        pipe r w
        fsync w
        fdatasync r
    )"},
    {"FileIsPolled", R"(
        open f file rdwr creat
        poll f in
        poll f in out
        poll f out rdhup
    )"},
    {"FileIsNoSocket", R"(
        open f file rdwr creat
        send f x
        recv f 1
        sendmsg f x
        recvmsg f 1
        accept f a
        bind f any
        listen f 1
        connect f any
        shutdown f rd
        linger f
    )"},
    {"FileOfTheMachine", R"(
        open f /etc/hostname rdonly
        write f x
        close f
        open d /etc rdonly directory
        statx /etc
        statx /no/such/file
        open f /no/such/file rdonly
    )"},
    {"FileThroughASlash", R"(
        open f ./file rdwr creat
        write f hello
        open g file rdonly
        read g 10
        open h .//file rdonly
        read h 10
    )"},
    {"FileIsReadBackAfterClose", R"(
        open f file wronly creat
        write f *10000
        close f
        statx file
        open f file rdonly
        read f 10000
        read f 10000
    )"},
    {"FileWorkIsCancelledBeforeItBegins", R"(
        open f file rdwr creat
        begin w pwrite f hello 0
        await w
        begin r pread f 10 0
        await r
        cancelled pread f 10 0
        cancelled pwrite f x 0
        cancelled fsync f
        cancelled open g file rdonly
        cancelled statx file
        pread f 10 0
    )"},
};

} // namespace conformance
