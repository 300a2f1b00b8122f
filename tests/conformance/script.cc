/* SPDX-License-Identifier: MIT */
#include "conformance/script.h"

#include <sstream>

namespace conformance {

namespace {

std::string trim(const std::string &text)
{
    size_t first = text.find_first_not_of(' ');
    size_t last = text.find_last_not_of(' ');
    return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

/* "DRIVERS RESULT: REASON" */
Leeway read_leeway(const std::string &text)
{
    size_t space = text.find(' '), colon = text.find(": ");
    if (space == std::string::npos || colon == std::string::npos || colon < space)
        throw std::invalid_argument("a leeway without its reason: " + text);
    return {text.substr(0, space), trim(text.substr(space, colon - space)),
            trim(text.substr(colon + 1))};
}

Step read_step(const std::string &text)
{
    Step step;
    std::vector<std::string> parts;
    std::string part, word;
    std::stringstream cut(text);
    while (std::getline(cut, part, '|'))
        parts.push_back(trim(part));
    step.line = parts.at(0);
    std::stringstream words(step.line);
    while (words >> word)
        step.words.push_back(word);
    for (size_t i = 1; i < parts.size(); i++)
        step.leeways.push_back(read_leeway(parts[i]));
    return step;
}

} // namespace

Steps read_steps(const char *text)
{
    Steps steps;
    std::string line;
    std::stringstream lines(text);
    while (std::getline(lines, line)) {
        line = trim(line);
        if (!line.empty() && line[0] == '|') /* of the step above */
            steps.back().leeways.push_back(read_leeway(trim(line.substr(1))));
        else if (!line.empty())
            steps.push_back(read_step(line));
    }
    return steps;
}

bool may_answer(const Step &step, const std::string &driver, const std::string &result,
                const std::string &reference)
{
    if (result == reference)
        return true;
    for (const Leeway &leeway : step.leeways) {
        if (("," + leeway.drivers + ",").find("," + driver + ",") != std::string::npos &&
            leeway.result == result)
            return true;
    }
    return false;
}

} // namespace conformance
