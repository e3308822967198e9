# How well brackets balance in C: comments, strings and character constants are left out, and of each kind of
# bracket those that have their partner are counted. Prints how many brackets are matched, how many there are,
# how many comments are closed before the next one opens, and how many are opened.
function close_with(open_one)
{
    all++
    if (depth > 0 && stack[depth] == open_one) {
        depth--
        matched += 2
    }
}
{ text = text $0 "\n" }
END {
    n = length(text)
    for (i = 1; i <= n; i++) {
        c = substr(text, i, 1)
        two = substr(text, i, 2)
        if (two == "/*") {
            opened++
            rest = substr(text, i + 2)
            end = index(rest, "*/")
            other = index(rest, "/*")
            if (end > 0 && (other == 0 || end < other)) {
                closed++
                i += end + 2
            } else {
                i++
            }
        } else if (two == "//") {
            i += index(substr(text, i) "\n", "\n") - 1
        } else if (c == "\"" || c == "'") {
            rest = substr(text, i + 1)
            end = index(rest, c)
            line = index(rest, "\n")
            if (end > 0 && (line == 0 || end < line)) i += end
        } else if (c == "(" || c == "[" || c == "{") {
            all++
            stack[++depth] = c
        } else if (c == ")") {
            close_with("(")
        } else if (c == "]") {
            close_with("[")
        } else if (c == "}") {
            close_with("{")
        }
    }
    printf "%d %d %d %d\n", matched, all, closed, opened
}
