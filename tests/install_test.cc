/* SPDX-License-Identifier: MIT */
/* What `cmake --install` leaves behind serves a program outside of this tree. */
#include "support/process.h"

#include <csignal>
#include <filesystem>
#include <gtest/gtest.h>

using coil_test::Outcome;
using coil_test::quote;
using coil_test::run_shell;

namespace {

constexpr const char *kProgram = R"(#include <coil.h>
#include <stdio.h>
#include <string.h>

static int answer(void *arg)
{
    (void)arg;
    return coil_yield() < 0 ? 1 : 42;
}

static int overflow(void *arg)
{
    char frame[160 << 10];
    (void)arg;
    return (int)strlen(strcpy(frame, "beyond the guard"));
}

int main(int argc, char **argv)
{
    int overflows = argc > 1 && strcmp(argv[1], "overflow") == 0;
    int result = coil_run(&(struct coil_options){.core_count = 1}, overflows ? overflow : answer,
                          NULL);
    printf("coil_run: %d\n", result);
    return result != 42;
}
)";

constexpr const char *kProject = R"(cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES C)
find_package(coil 0.1 REQUIRED)
add_executable(outside program.c)
target_link_libraries(outside PRIVATE coil::coil)
)";

/* A library with sanitizers cannot be linked without naming them: no package is made of it. */
class Install : public testing::Test {
protected:
    void SetUp() override
    {
        if (COIL_TEST_INSTRUMENTED)
            GTEST_SKIP() << "an instrumented library is not for installing";
        expect_success("cmake --install " + quote(COIL_TEST_BUILD_DIR) + " --prefix " +
                       quote(dir_.path("first")));
        /* Nothing installed may know where it was put. */
        std::filesystem::rename(dir_.path("first"), prefix_);
        std::filesystem::create_directory(dir_.path("outside"));
        coil_test::write_file(dir_.path("outside/program.c"), kProgram);
    }

    static void expect_success(const std::string &command)
    {
        Outcome outcome = run_shell(command);
        ASSERT_EQ(0, outcome.status) << command << "\n" << outcome.output;
    }

    /* Runs it, and then lets it overflow its stack by a frame that reaches beyond the guard. */
    void expect_program_works() const
    {
        expect_success(program_);
        Outcome overflow = run_shell("ulimit -c 0; " + program_ + " overflow");
        EXPECT_EQ(128 + SIGSEGV, overflow.status);
        EXPECT_NE(std::string::npos, overflow.output.find("coil: stack overflow in coroutine "))
            << overflow.output;
    }

    coil_test::TempDir dir_;
    std::string prefix_ = dir_.path("prefix with a space");
    std::string program_ = dir_.path("outside/outside");
};

/* Some compilers have it by default; that a program gets it must be the package's doing. */
constexpr const char *kWithoutProbes = "-fno-stack-clash-protection";

} // namespace

TEST_F(Install, ServesAProgramThatAsksPkgConfig)
{
    Outcome found = run_shell("find " + quote(prefix_) + " -name coil.pc -printf %h");
    ASSERT_EQ(0, found.status);
    std::string flags =
        "$(PKG_CONFIG_PATH=" + quote(found.output) + " pkg-config --cflags --libs coil)";
    /* eval: pkg-config escapes the space of the prefix for a shell. */
    expect_success("eval " + std::string(COIL_TEST_CC) + " -Wall -Werror " + kWithoutProbes +
                   " -o " + program_ + " " + dir_.path("outside/program.c") + " " + flags);
    expect_program_works();
}

TEST_F(Install, ServesAProgramThatAsksFindPackage)
{
    coil_test::write_file(dir_.path("outside/CMakeLists.txt"), kProject);
    expect_success("cmake -G Ninja -S " + dir_.path("outside") + " -B " + dir_.path("outside") +
                   " -DCMAKE_C_COMPILER=" + COIL_TEST_CC + " -DCMAKE_C_FLAGS=" + kWithoutProbes +
                   " -DCMAKE_PREFIX_PATH=" + quote(prefix_));
    expect_success("cmake --build " + dir_.path("outside"));
    expect_program_works();
}

TEST_F(Install, BringsNothingButThePublicInterface)
{
    Outcome installed = run_shell("cd " + quote(prefix_) + " && find . -type f | sort");
    ASSERT_EQ(0, installed.status);
    EXPECT_NE(std::string::npos, installed.output.find("/include/coil.h\n"));
    EXPECT_NE(std::string::npos, installed.output.find("/libcoil.a\n"));
    for (const char *never : {"/runtime/", "/tests/", "gtest"})
        EXPECT_EQ(std::string::npos, installed.output.find(never)) << installed.output;
}

TEST(Subproject, BuildsOnlyTheLibrary)
{
    coil_test::TempDir dir;
    coil_test::write_file(dir.path("CMakeLists.txt"),
                          "cmake_minimum_required(VERSION 3.25)\n"
                          "project(parent LANGUAGES C)\n"
                          "add_subdirectory(" COIL_TEST_SOURCE_DIR " coil)\n"
                          "add_executable(program program.c)\n"
                          "target_link_libraries(program PRIVATE coil::coil)\n");
    coil_test::write_file(dir.path("program.c"), kProgram);

    Outcome configured = run_shell("cmake -G Ninja -S " + dir.path() + " -B " + dir.path("build") +
                                   " -DCMAKE_C_COMPILER=" + COIL_TEST_CC);
    ASSERT_EQ(0, configured.status) << configured.output;
    Outcome objects = run_shell("ninja -C " + dir.path("build") + " -t targets all | grep '\\.o:'");
    EXPECT_NE(std::string::npos, objects.output.find("coil/runtime/"));
    for (const char *never : {"coil/tests/", "coil/bench/", "coil/examples/"})
        EXPECT_EQ(std::string::npos, objects.output.find(never)) << objects.output;
}
