/* SPDX-License-Identifier: MIT */
#include "tidy_rules.h"

#include <algorithm>
#include <cctype>
#include <map>

namespace tidy {
namespace {

constexpr size_t kFileLinesMax = 500;
constexpr size_t kFunctionLinesMax = 70;
constexpr size_t kColumnsMax = 100;

using Lines = std::vector<std::string>;

Lines split_lines(const std::string &text)
{
    Lines lines;
    for (size_t at = 0; at < text.size();) {
        size_t end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

bool starts_with(const std::string &text, const std::string &start)
{
    return text.compare(0, start.size(), start) == 0;
}

bool ends_with(const std::string &text, const std::string &end)
{
    return text.size() >= end.size() &&
           text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool is_blank(const std::string &line)
{
    return line.find_first_not_of(" \t\\") == std::string::npos;
}

bool is_name_char(char c)
{
    return isalnum(static_cast<unsigned char>(c)) || c == '_';
}

/* Where `word` begins in `line` as a name of its own; npos when it does not. */
size_t find_word(const std::string &line, const std::string &word)
{
    for (size_t at = 0; (at = line.find(word, at)) != std::string::npos; at++) {
        size_t end = at + word.size();
        bool begins = at == 0 || !is_name_char(line[at - 1]);
        bool ends = end == line.size() || !is_name_char(line[end]);
        if (begins && ends)
            return at;
    }
    return std::string::npos;
}

void report(Findings *findings, const SourceFile &file, size_t index, const std::string &sentence)
{
    findings->push_back(file.path + ":" + std::to_string(index + 1) + ": " + sentence);
}

/* "ring" of "runtime/ring/reap.c" or of "ring/reap.h"; "" when it lies in no folder. */
std::string layer_of(std::string path)
{
    if (starts_with(path, "runtime/"))
        path = path.substr(8);
    size_t slash = path.find('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
}

/* Higher layers may know lower ones. Those of the top rank do not know each other. */
int rank_of(const std::string &layer)
{
    static const std::map<std::string, int> ranks = {
        {"base", 0}, {"coro", 1}, {"future", 2}, {"ring", 3},   {"sim", 4}, {"core", 5},
        {"ops", 6},  {"sync", 6}, {"chan", 6},   {"stream", 6}, {"gen", 6}, {"serve", 7},
    };
    auto found = ranks.find(layer);
    return found == ranks.end() ? -1 : found->second;
}

/* The path in quotes of an #include line; "" for any other line. */
std::string quoted_include(const std::string &line)
{
    if (!starts_with(line, "#include \""))
        return "";
    return line.substr(10, line.find('"', 10) - 10);
}

bool is_code(const SourceFile &file)
{
    return ends_with(file.path, ".c") || ends_with(file.path, ".h") || ends_with(file.path, ".cc");
}

bool is_library(const SourceFile &file)
{
    return is_code(file) &&
           (starts_with(file.path, "runtime/") || starts_with(file.path, "include/"));
}

/* A function's body as our format shows it: between braces in the first column. */
struct Body {
    size_t first, last; /* indices of the lines of the braces */
};

std::vector<Body> find_bodies(const Lines &blanked)
{
    std::vector<Body> bodies;
    bool inside = false;
    for (size_t i = 0; i < blanked.size(); i++) {
        if (!inside && starts_with(blanked[i], "{")) {
            bodies.push_back({i, i});
            inside = true;
        } else if (inside && starts_with(blanked[i], "}")) {
            bodies.back().last = i;
            inside = false;
        }
    }
    return bodies;
}

/* The first line of the signature whose body opens at `index`. */
size_t signature_of(const Lines &blanked, size_t index)
{
    while (index > 0 && !is_blank(blanked[index - 1]) && blanked[index - 1][0] != '#' &&
           blanked[index - 1][0] != '}' && !ends_with(blanked[index - 1], ";"))
        index--;
    return index;
}

const Exception *find_exception(const std::string &path, const Exceptions &exceptions)
{
    for (const Exception &exception : exceptions) {
        if (path == exception.path || (exception.path[0] == '/' && ends_with(path, exception.path)))
            return &exception;
    }
    return nullptr;
}

/* The end of the literal or comment that begins at `at`; `at` itself when none does there. */
size_t end_of_quiet(const std::string &text, size_t at)
{
    auto after = [&](const std::string &end, size_t from) {
        size_t found = text.find(end, from);
        return found == std::string::npos ? text.size() : found + end.size();
    };
    if (text.compare(at, 2, "/*") == 0)
        return after("*/", at + 2);
    if (text.compare(at, 2, "//") == 0)
        return std::min(text.find('\n', at), text.size());
    if (text.compare(at, 2, "R\"") == 0 && (at == 0 || !is_name_char(text[at - 1]))) {
        size_t open = text.find('(', at);
        return after(")" + text.substr(at + 2, open - at - 2) + "\"", open);
    }
    /* 100'000 is one number, not the start of a character. */
    bool is_digit_separator = at > 0 && isdigit(static_cast<unsigned char>(text[at - 1]));
    if (text[at] != '"' && (text[at] != '\'' || is_digit_separator))
        return at;
    size_t end = at + 1;
    while (end < text.size() && text[end] != text[at] && text[end] != '\n')
        end += text[end] == '\\' ? 2 : 1;
    return std::min(end + 1, text.size());
}

/* Files that use one of `words`, which only `exceptions` may. */
Findings check_words(const SourceFile &file, const std::vector<std::string> &words,
                     const Exceptions &exceptions, const std::string &sentence)
{
    Findings findings;
    Lines raw = split_lines(file.text);
    Lines blanked = split_lines(blank_comments_and_strings(file.text));
    for (size_t i = 0; i < blanked.size(); i++) {
        /* An included name stands in quotes or angles, not in a comment. */
        const std::string &line = starts_with(raw[i], "#include") ? raw[i] : blanked[i];
        for (const std::string &word : words) {
            if (line.find(word) != std::string::npos && !find_exception(file.path, exceptions))
                report(&findings, file, i, word + ": " + sentence);
        }
    }
    return findings;
}

/* "struct iovec;": explained where it is defined. */
bool is_forward_declaration(const std::string &blanked_line)
{
    return starts_with(blanked_line, "struct ") && ends_with(blanked_line, ";") &&
           std::count(blanked_line.begin(), blanked_line.end(), ' ') == 1;
}

/* coil_X_start() is explained where coil_X() is: every operation has these two spellings. */
bool is_second_spelling(const std::string &blanked_line, const std::string &blanked_text)
{
    size_t end = blanked_line.find("_start(");
    if (end == std::string::npos)
        return false;
    size_t begin = blanked_line.rfind(' ', end) + 1;
    return blanked_text.find(" " + blanked_line.substr(begin, end - begin) + "(") !=
           std::string::npos;
}

/* Whether the line declares something for users of a header, or defines a macro for them. */
bool is_public_declaration(const std::string &blanked_line)
{
    if (starts_with(blanked_line, "#define COIL")) {
        std::string name = blanked_line.substr(8, blanked_line.find_first_of(" (", 8) - 8);
        return !ends_with(name, "_H");
    }
    char first = blanked_line.empty() ? ' ' : blanked_line[0];
    return first != ' ' && first != '#' && first != '{' && first != '}' &&
           !starts_with(blanked_line, "COIL_BEGIN_DECLS") &&
           !starts_with(blanked_line, "COIL_END_DECLS") && !is_forward_declaration(blanked_line);
}

/* A comment on the line, on the line before it, or at the start of its paragraph. */
bool is_documented(const Lines &raw, const Lines &blanked, size_t index)
{
    auto is_comment = [&](size_t i) { return is_blank(blanked[i]) && !is_blank(raw[i]); };
    if (raw[index].find("/*") != std::string::npos || (index > 0 && is_comment(index - 1)))
        return true;
    size_t first = index;
    while (first > 0 && !is_blank(raw[first - 1]))
        first--;
    return is_comment(first);
}

} // namespace

std::string blank_comments_and_strings(const std::string &text)
{
    std::string blanked = text;
    for (size_t at = 0; at < text.size();) {
        size_t end = end_of_quiet(text, at);
        for (size_t i = at; i < end; i++) {
            if (text[i] != '\n')
                blanked[i] = ' ';
        }
        at = std::max(end, at + 1);
    }
    return blanked;
}

Findings check_layers(const SourceFile &file)
{
    Findings findings;
    if (!starts_with(file.path, "runtime/") || !is_code(file))
        return findings;

    std::string layer = layer_of(file.path);
    if (rank_of(layer) < 0)
        report(&findings, file, 0, "lies in no layer");
    std::string own_header = file.path.substr(8);
    own_header = own_header.substr(0, own_header.rfind('.')) + ".h";

    bool is_first = true;
    int last_rank = rank_of(layer);
    Lines lines = split_lines(file.text);
    for (size_t i = 0; i < lines.size(); i++) {
        if (!starts_with(lines[i], "#include"))
            continue;
        std::string included = quoted_include(lines[i]);
        if (is_first && file.has_own_header && included != own_header)
            report(&findings, file, i, "its own header \"" + own_header + "\" must come first");
        is_first = false;
        if (included.empty())
            continue;

        std::string target = layer_of(included);
        int rank = rank_of(target);
        if (rank < 0)
            report(&findings, file, i, "name an included file as \"layer/file.h\"");
        else if (rank > rank_of(layer) || (rank == rank_of(layer) && target != layer))
            report(&findings, file, i, layer + " may not know " + target);
        else if (rank > last_rank)
            report(&findings, file, i, "own folder first, then lower and lower folders");
        last_rank = rank;
    }
    return findings;
}

Findings check_file_length(const SourceFile &file)
{
    Findings findings;
    size_t count = split_lines(file.text).size();
    /* A file of tests is a list, and gets no clearer by being cut in two. */
    if (is_code(file) && !ends_with(file.path, "_test.cc") && count > kFileLinesMax)
        report(&findings, file, count - 1, "over 500 lines: it has two nouns, split it");
    return findings;
}

Findings check_function_length(const SourceFile &file)
{
    Findings findings;
    if (!is_code(file))
        return findings;
    Lines blanked = split_lines(blank_comments_and_strings(file.text));
    for (const Body &body : find_bodies(blanked)) {
        size_t first = signature_of(blanked, body.first);
        size_t count = body.last - first + 1;
        if (count > kFunctionLinesMax)
            report(&findings, file, first,
                   "a function of " + std::to_string(count) + " lines; 70 at most");
    }
    return findings;
}

Findings check_line_length(const SourceFile &file)
{
    Findings findings;
    if (ends_with(file.path, ".md") || ends_with(file.path, ".json"))
        return findings;
    Lines lines = split_lines(file.text);
    for (size_t i = 0; i < lines.size(); i++) {
        /* Bytes that continue a character of UTF-8 take no column. */
        auto columns = std::count_if(lines[i].begin(), lines[i].end(),
                                     [](char c) { return (c & 0xc0) != 0x80; });
        if (size_t(columns) > kColumnsMax)
            report(&findings, file, i, "over 100 columns");
    }
    return findings;
}

Findings check_doc_comments(const SourceFile &file)
{
    Findings findings;
    if (!starts_with(file.path, "include/") || !ends_with(file.path, ".h"))
        return findings;

    Lines raw = split_lines(file.text);
    std::string blanked_text = blank_comments_and_strings(file.text);
    Lines blanked = split_lines(blanked_text);
    bool continues = false; /* the line before ended in a backslash */
    for (size_t i = 0; i < blanked.size(); i++) {
        if (!continues && is_public_declaration(blanked[i]) &&
            !is_second_spelling(blanked[i], blanked_text) && !is_documented(raw, blanked, i))
            report(&findings, file, i, "a public declaration without a comment above it");
        continues = ends_with(raw[i], "\\");
    }
    return findings;
}

Findings check_licence(const SourceFile &file)
{
    Findings findings;
    Lines lines = split_lines(file.text);
    if (ends_with(file.path, ".md") || ends_with(file.path, ".json"))
        return findings;
    size_t index = !lines.empty() && starts_with(lines[0], "#!") ? 1 : 0;
    if (lines.size() <= index ||
        lines[index].find("SPDX-License-Identifier: MIT") == std::string::npos)
        report(&findings, file, index, "the SPDX line is missing");
    return findings;
}

Findings check_marks(const SourceFile &file)
{
    Findings findings;
    if (starts_with(file.path, "tests/tidy_")) /* these have to spell them */
        return findings;
    Lines lines = split_lines(file.text);
    for (size_t i = 0; i < lines.size(); i++) {
        for (const char *mark : {"TODO", "FIXME", "XXX", "HACK"}) {
            if (find_word(lines[i], mark) != std::string::npos)
                report(&findings, file, i,
                       std::string(mark) + " belongs into an issue, or is done now");
        }
    }
    return findings;
}

Findings check_disabled_tests(const SourceFile &file)
{
    Findings findings;
    /* A test may start another one that is disabled, say under valgrind. */
    if (!ends_with(file.path, "_test.cc") ||
        file.text.find("--gtest_also_run_disabled_tests") != std::string::npos)
        return findings;
    Lines blanked = split_lines(blank_comments_and_strings(file.text));
    for (size_t i = 0; i < blanked.size(); i++) {
        if (blanked[i].find("DISABLED_") != std::string::npos)
            report(&findings, file, i, "nothing runs this test");
    }
    return findings;
}

Findings check_suppressions(const SourceFile &file)
{
    Findings findings;
    Lines blanked = split_lines(blank_comments_and_strings(file.text));
    for (size_t i = 0; i < blanked.size(); i++) {
        bool is_runtimes = starts_with(file.path, "runtime/") || starts_with(file.path, "include/");
        if (is_runtimes && blanked[i].find("no_sanitize") != std::string::npos)
            report(&findings, file, i, "no sanitizer is told to look away");
    }
    return findings;
}

Findings check_conditionals(const SourceFile &file)
{
    Findings findings;
    if (!is_code(file))
        return findings;
    Lines blanked = split_lines(blank_comments_and_strings(file.text));
    for (const Body &body : find_bodies(blanked)) {
        for (size_t i = body.first; i < body.last; i++) {
            size_t hash = blanked[i].find_first_not_of(' ');
            if (hash != std::string::npos && starts_with(blanked[i].substr(hash), "#if"))
                report(&findings, file, i, "#if inside a function: put the variants in two files");
        }
    }
    return findings;
}

Findings check_atomics(const SourceFile &file, const Exceptions &exceptions)
{
    if (!is_library(file))
        return {};
    return check_words(file,
                       {"stdatomic.h", "__atomic_", "__sync_", "_Atomic", "io_uring_smp_",
                        "pthread_mutex_", "pthread_cond_"},
                       exceptions, "threads meet elsewhere");
}

Findings check_heap(const SourceFile &file, const Exceptions &exceptions)
{
    if (!is_library(file))
        return {};
    Findings findings;
    Lines blanked = split_lines(blank_comments_and_strings(file.text));
    for (size_t i = 0; i < blanked.size(); i++) {
        for (const char *name : {"malloc", "calloc", "realloc", "reallocarray", "free", "strdup",
                                 "strndup", "asprintf", "aligned_alloc", "posix_memalign"}) {
            size_t at = find_word(blanked[i], name);
            bool is_call =
                at != std::string::npos && blanked[i][at + std::string(name).size()] == '(';
            if (is_call && !find_exception(file.path, exceptions))
                report(&findings, file, i, std::string(name) + ": the caller provides memory");
        }
    }
    return findings;
}

} // namespace tidy
