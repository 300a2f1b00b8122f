/* SPDX-License-Identifier: MIT */
/* echo_server with clients of every kind, and how it ends. */
#include "examples/echo_client.h"
#include "examples/program.h"

#include <arpa/inet.h>
#include <atomic>
#include <chrono>
#include <climits>
#include <csignal>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <sched.h>
#include <sstream>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace coil_test;

namespace {

/* A server that is expected to end well when it is told to. */
class EchoServer : public testing::Test {
protected:
    void serve(std::vector<std::string> options = {})
    {
        options.insert(options.begin(), {"--grace", "100"}); /* a later one wins */
        server_ = std::make_unique<Server>("echo_server", options);
        ASSERT_NE(0, server_->port());
    }

    void TearDown() override
    {
        if (server_ != nullptr)
            expect_end(SIGTERM);
    }

    void expect_end(int signal)
    {
        server_->signal(signal);
        Outcome outcome = server_->wait();
        EXPECT_EQ(0, outcome.status);
        EXPECT_EQ("", without_report(outcome.output));
        server_.reset();
    }

    /* Without what is said of who is late to end, as all are on a busy machine. */
    static std::string without_report(const std::string &output)
    {
        std::string rest;
        std::istringstream lines(output);
        for (std::string line; std::getline(lines, line);) {
            if (line.rfind("coil: stop: core ", 0) != 0 && line.rfind("coil:   core ", 0) != 0)
                rest += line + "\n";
        }
        return rest;
    }

    /* What one connection gets back for `text` and the end after it. */
    std::string echo(const std::string &text)
    {
        int fd = connect_to(server_->port());
        EXPECT_EQ(ssize_t(text.size()), send(fd, text.data(), text.size(), MSG_NOSIGNAL));
        shutdown(fd, SHUT_WR);
        std::string answer;
        char piece[4096];
        for (ssize_t n; (n = recv(fd, piece, sizeof(piece), 0)) > 0;)
            answer.append(piece, size_t(n));
        close(fd);
        return answer;
    }

    std::unique_ptr<Server> server_;
};

/* Sockets that listen on `port`, as the kernel counts them. */
int count_listeners(uint16_t port)
{
    std::ifstream table("/proc/net/tcp");
    char wanted[32];
    snprintf(wanted, sizeof(wanted), ":%04X 00000000:0000 0A", port);
    int count = 0;
    for (std::string line; std::getline(table, line);)
        count += line.find(wanted) != std::string::npos;
    return count;
}

/* The other cores begin to listen a moment after the first, which is the one that says so. */
bool wait_for_listeners(uint16_t port, int count)
{
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(patience());
    while (count_listeners(port) != count) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

/* Closes so that the peer gets a reset in place of an end. */
void reset(int fd)
{
    linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

/* Threads that connect, send some requests and wait for each reply, again and again. */
class Load {
public:
    Load(uint16_t port, unsigned thread_count, unsigned requests)
    {
        for (unsigned i = 0; i < thread_count; i++)
            threads_.emplace_back([=] { work(port, requests, i); });
    }
    ~Load() { stop(); }
    Load(const Load &) = delete;
    Load &operator=(const Load &) = delete;

    void wait_for_replies(unsigned count) const
    {
        auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(patience());
        while (replies < count && std::chrono::steady_clock::now() < deadline)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        EXPECT_GE(replies, count);
    }
    void stop()
    {
        for (std::thread &thread : threads_)
            thread.join();
        threads_.clear();
    }

    std::atomic<unsigned> replies{0};
    std::atomic<unsigned> served{0};    /* connections with all of their replies */
    std::atomic<bool> ending{false};    /* the server was told to end, or is just about to be */
    std::atomic<unsigned> not_taken{0}; /* connected before that, and ended without a reply */
    std::atomic<unsigned> cut_off{0};   /* those that ended after it, and so had been accepted */

private:
    /* Until a connection is refused, or does not get what it asked for. */
    void work(uint16_t port, unsigned requests, unsigned seed)
    {
        std::minstd_rand random(seed + 1);
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        for (bool goes_on = true; goes_on;) {
            int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            goes_on = connect(fd, reinterpret_cast<sockaddr *>(&address), sizeof(address)) == 0;
            bool is_late = ending;
            unsigned done = 0;
            while (goes_on && done < requests && ask(fd, random))
                done++;
            if (goes_on && (done > 0 || !is_late))
                (done == requests ? served : done == 0 ? not_taken : cut_off)++;
            goes_on = goes_on && done == requests;
            close(fd);
        }
    }
    bool ask(int fd, std::minstd_rand &random)
    {
        std::string request(1 + random() % 3000, char('a' + random() % 26)), reply;
        char piece[4096];
        if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) != ssize_t(request.size()))
            return false;
        for (ssize_t n; reply.size() < request.size();) {
            if ((n = recv(fd, piece, sizeof(piece), 0)) <= 0)
                return false;
            reply.append(piece, size_t(n));
        }
        replies++;
        return reply == request;
    }

    std::vector<std::thread> threads_;
};

} // namespace

TEST_F(EchoServer, AnswersNetcat)
{
    if (run_shell("command -v nc").status != 0)
        GTEST_SKIP() << "there is no nc";
    serve();
    Outcome outcome = run_shell("printf 'hello\nworld' | timeout 20 nc -N 127.0.0.1 " +
                                std::to_string(server_->port()));
    EXPECT_EQ(0, outcome.status);
    EXPECT_EQ("hello\nworld", outcome.output);
}

TEST_F(EchoServer, SendsAFileBackToNetcat)
{
    if (run_shell("command -v nc").status != 0)
        GTEST_SKIP() << "there is no nc";
    serve();
    TempDir dir;
    Outcome outcome = run_shell("cd " + dir.path() + " && head -c 3000001 /dev/urandom >sent && " +
                                "timeout 20 nc -N 127.0.0.1 " + std::to_string(server_->port()) +
                                " <sent >received; cmp sent received");
    EXPECT_EQ(0, outcome.status) << outcome.output;
}

TEST_F(EchoServer, EndsAConnectionThatSendsNothing)
{
    serve();
    EXPECT_EQ("", echo(""));
}

TEST_F(EchoServer, GivesFiveHundredConnectionsEachItsOwnBytes)
{
    serve();
    EchoClients clients(server_->port(), 500, 64 * 1024, 1);
    EXPECT_EQ("", clients.run());
}

TEST_F(EchoServer, ServesOnTwoCores)
{
    serve({"--cores", "2"});
    EXPECT_TRUE(wait_for_listeners(server_->port(), 2));
    EchoClients clients(server_->port(), 200, 64 * 1024, 2);
    EXPECT_EQ("", clients.run());
}

/* One socket listens for both cores, and the first one hands half of the connections over. */
TEST_F(EchoServer, GivesEachCoreItsShareIfToldTo)
{
    serve({"--cores", "2", "--balance", "least"});
    EXPECT_EQ(1, count_listeners(server_->port()));
    size_t before = server_->count_descriptors();
    for (uint64_t seed = 11; seed < 14; seed++) {
        EchoClients clients(server_->port(), 100, 1000, seed);
        EXPECT_EQ("", clients.run());
    }
    EXPECT_TRUE(server_->wait_for_descriptors(before)) << "connections stay open";
}

/* What is sent while nobody reads piles up in the sockets, then in the server's buffers. */
TEST_F(EchoServer, WaitsForAClientThatDoesNotRead)
{
    serve();
    int slow = connect_to(server_->port());
    std::string piece(64 * 1024, 'x');
    size_t sent = 0;
    for (ssize_t n; (n = send(slow, piece.data(), piece.size(), MSG_DONTWAIT)) > 0;)
        sent += size_t(n);
    EXPECT_EQ("hello", echo("hello"));

    shutdown(slow, SHUT_WR);
    size_t received = 0;
    for (ssize_t n; (n = recv(slow, piece.data(), piece.size(), 0)) > 0;)
        received += size_t(n);
    close(slow);
    EXPECT_EQ(sent, received);
}

TEST_F(EchoServer, SurvivesClientsThatReset)
{
    serve({"--cores", "2"});
    ASSERT_TRUE(wait_for_listeners(server_->port(), 2));
    EXPECT_EQ("hello", echo("hello"));
    size_t before = server_->count_descriptors();

    std::mt19937 random(3);
    std::string piece(256 * 1024, 'x');
    for (int i = 0; i < 300; i++) {
        int fd = connect_to(server_->port());
        size_t len = random() % 3 == 0 ? 0 : random() % piece.size();
        send(fd, piece.data(), len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (len > 0 && random() % 2 == 0) {
            EXPECT_GT(recv(fd, piece.data(), 1 + random() % 1000, 0), 0);
        }
        reset(fd);
    }
    EXPECT_EQ("hello", echo("hello"));
    EXPECT_TRUE(server_->wait_for_descriptors(before)) << "connections stay open";
}

TEST_F(EchoServer, ClosesWhatItsClientsClosed)
{
    serve({"--cores", "2"});
    ASSERT_TRUE(wait_for_listeners(server_->port(), 2));
    EXPECT_EQ("hello", echo("hello"));
    size_t before = server_->count_descriptors();
    for (uint64_t seed = 4; seed < 8; seed++) {
        EchoClients clients(server_->port(), 100, 1000, seed);
        EXPECT_EQ("", clients.run());
    }
    EXPECT_TRUE(server_->wait_for_descriptors(before)) << "connections stay open";
}

TEST_F(EchoServer, PinsItsCoresWhereItIsTold)
{
    cpu_set_t allowed;
    ASSERT_EQ(0, sched_getaffinity(0, sizeof(allowed), &allowed));
    int cpu = 0;
    while (!CPU_ISSET(cpu, &allowed))
        cpu++;
    serve({"--cpus", std::to_string(cpu)});
    EXPECT_EQ(1, count_listeners(server_->port()));
    EXPECT_EQ("hello", echo("hello"));

    Outcome pinned = run_shell("grep -h Cpus_allowed_list: /proc/" +
                               std::to_string(server_->pid()) + "/task/*/status");
    EXPECT_NE(std::string::npos, pinned.output.find(":\t" + std::to_string(cpu) + "\n"));
}

TEST_F(EchoServer, EndsOnSigtermWhenIdle)
{
    serve();
    expect_end(SIGTERM);
}

TEST_F(EchoServer, EndsOnSigintWhenIdle)
{
    serve({"--cores", "2"});
    expect_end(SIGINT);
}

/* The clients neither go on nor close: bytes are under way in both directions. */
TEST_F(EchoServer, EndsOnSigtermUnderLoad)
{
    serve({"--cores", "2"});
    EchoClients clients(server_->port(), 500, 1024 * 1024, 9);
    EXPECT_EQ("", clients.run(8 * 1024 * 1024));
    expect_end(SIGTERM);
}

TEST_F(EchoServer, EndsOnSigintUnderLoad)
{
    serve();
    EchoClients clients(server_->port(), 500, 1024 * 1024, 10);
    EXPECT_EQ("", clients.run(8 * 1024 * 1024));
    expect_end(SIGINT);
}

/* Each connection that came about gets all of its replies, then no more is accepted. */
TEST_F(EchoServer, DropsNoRequestWhenItIsToldToEnd)
{
    for (unsigned seed = 0; seed < 4; seed++) {
        bool one_accepts = seed == 3;
        serve({"--cores", "2", "--grace", "600000", "--balance", one_accepts ? "least" : "kernel"});
        ASSERT_TRUE(wait_for_listeners(server_->port(), one_accepts ? 1 : 2));
        Load load(server_->port(), 6, 50);
        load.wait_for_replies(100 + 37 * seed);
        load.ending = true;
        expect_end(SIGTERM);
        load.stop();
        EXPECT_EQ(0u, load.cut_off);
        EXPECT_EQ(0u, load.not_taken);
        EXPECT_GT(load.served, 0u);
        printf("served %u\n", load.served.load());
    }
}

TEST_F(EchoServer, EndsWithItsGraceThoughClientsGoOn)
{
    serve({"--cores", "2", "--grace", "200"});
    ASSERT_TRUE(wait_for_listeners(server_->port(), 2));
    Load load(server_->port(), 6, UINT_MAX);
    load.wait_for_replies(100);
    auto begin = std::chrono::steady_clock::now();
    expect_end(SIGTERM);
    auto span = std::chrono::steady_clock::now() - begin;
    load.stop();
    EXPECT_GT(load.cut_off, 0u) << "nobody went on";
    EXPECT_GE(span, std::chrono::milliseconds(200));
    EXPECT_LE(span, std::chrono::milliseconds(300) + std::chrono::seconds(patience()));
    printf("ended %lld ms after the signal, with a grace of 200 ms\n",
           (long long)std::chrono::duration_cast<std::chrono::milliseconds>(span).count());
}

TEST_F(EchoServer, EndsAtOnceAtTheSecondSignal)
{
    serve({"--cores", "2", "--grace", "600000"});
    ASSERT_TRUE(wait_for_listeners(server_->port(), 2));
    int idle = connect_to(server_->port());
    server_->signal(SIGINT);
    EXPECT_TRUE(wait_for_listeners(server_->port(), 0)) << "it goes on accepting";
    expect_end(SIGTERM);
    close(idle);
}

TEST_F(EchoServer, ServesTheSamePortAgainAtOnce)
{
    serve();
    std::string port = std::to_string(server_->port());
    int fd = connect_to(server_->port()); /* the server closes first, which leaves a TIME_WAIT */
    expect_end(SIGTERM);
    close(fd);
    serve({"--port", port});
    EXPECT_EQ(port, std::to_string(server_->port()));
    EXPECT_EQ("hello", echo("hello"));
}

TEST(EchoServerStart, FailsInOneLineWhenThePortIsBusy)
{
    int busy = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    socklen_t len = sizeof(address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(0, bind(busy, reinterpret_cast<sockaddr *>(&address), len));
    ASSERT_EQ(0, listen(busy, 1));
    ASSERT_EQ(0, getsockname(busy, reinterpret_cast<sockaddr *>(&address), &len));

    Outcome outcome = run_shell(
        example_command("echo_server", "--port " + std::to_string(ntohs(address.sin_port))));
    close(busy);
    EXPECT_EQ(1, outcome.status);
    EXPECT_EQ(0u, outcome.output.find("echo_server: ")) << outcome.output;
    EXPECT_NE(std::string::npos, outcome.output.find("Address already in use\n"));
    EXPECT_EQ(outcome.output.size() - 1, outcome.output.find('\n')) << outcome.output;
}
