# Writes what follows from the sources of the ops, so that adding one touches no list:
#   out=header  include/reel/ops.h: documented prototypes, plain functions, macros that note the place
#   out=table   table.c: the plain functions and reel_ops()
# It reads elementwise.def line by line and, in .c files, `const reel_op reel_op_NAME = {` and
# `reel_node *reel_NAME_at(const char *at, ...)` with the /** comment */ above.

BEGIN {
    if (out != "header" && out != "table") {
        print "declare.awk: -v out=header or out=table" > "/dev/stderr"
        failed = 1
        exit 2
    }
}

function declare(doc, type, name, params, n, part, i, words, k, names) {
    functions++
    fdoc[functions] = doc; ftype[functions] = type; fname[functions] = name; fparams[functions] = params
    n = split(params, part, /, */)
    names = ""
    for (i = 1; i <= n; i++) {
        k = split(part[i], words, /[ *]+/)
        names = names ", " words[k]
    }
    fnames[functions] = names
}

# The pieces of "NAME(a, b(c, d), e)" between commas outside parentheses, into piece[1..].
function pieces(text, piece, i, c, depth, n, start) {
    depth = 0; n = 0; start = 1
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (c == "(") depth++
        if (c == ")") depth--
        if (c == "," && depth == 0) {
            piece[++n] = substr(text, start, i - start)
            start = i + 1
        }
    }
    piece[++n] = substr(text, start)
    for (i = 1; i <= n; i++) gsub(/^ +| +$/, "", piece[i])
    return n
}

# The text with each SELECT(c, a, b) written as c ? a : b, as people read it.
function choices(text, at, rest, n, depth, part, chosen) {
    while (at = index(text, "SELECT(")) {
        rest = substr(text, at + 7)
        for (n = 1; n <= length(rest); n++) {
            if (substr(rest, n, 1) == "(") depth++
            if (substr(rest, n, 1) == ")" && depth-- == 0) break
        }
        depth = 0
        pieces(substr(rest, 1, n - 1), part)
        chosen = part[1] " ? " part[2] " : " part[3]
        if (at > 1 || n < length(rest)) chosen = "(" chosen ")"
        text = substr(text, 1, at - 1) chosen substr(rest, n + 1)
    }
    return text
}

function entry(line, kind, body, p, value, params, note) {
    kind = line; sub(/\(.*/, "", kind)
    body = substr(line, length(kind) + 2); sub(/\)[^)]*$/, "", body)
    pieces(body, p)
    if (kind == "UNARY") { value = p[2]; params = "reel_node *x" }
    else if (kind == "UNARY_1") { value = p[3]; params = "reel_node *x, double p" }
    else if (kind == "UNARY_2") { value = p[4]; params = "reel_node *x, double p, double q" }
    else if (kind == "BINARY") { value = p[2]; params = "reel_node *a, reel_node *b" }
    else { value = p[2]; params = "reel_node *a, reel_node *b, reel_node *c" }
    value = choices(value)
    while (match(value, /LIBM\([a-z0-9]+\)/))
        value = substr(value, 1, RSTART - 1) substr(value, RSTART + 5, RLENGTH - 6) substr(value, RSTART + RLENGTH)
    while (match(value, /V\([a-z0-9_]+\)/))
        value = substr(value, 1, RSTART - 1) substr(value, RSTART + 2, RLENGTH - 3) substr(value, RSTART + RLENGTH)
    while (match(value, /C\([-0-9.]+\)/))
        value = substr(value, 1, RSTART - 1) substr(value, RSTART + 2, RLENGTH - 3) substr(value, RSTART + RLENGTH)
    note = above; gsub(/^\/\* *| *\*\/$/, "", note)
    declare("/** y = " value (note == "" ? "" : "\n * " note) "\n * Element-wise, with broadcasting. */",
            "reel_node *", p[1], params)
    ops[++count] = p[1]
}

FNR == 1 { above = ""; doc = ""; indoc = 0; pending = "" }

FILENAME ~ /\.def$/ {
    if ($0 ~ /^(UNARY|UNARY_1|UNARY_2|BINARY|TERNARY)\(/) entry($0)
    above = $0 ~ /^\/\*.*\*\/$/ ? $0 : ""
    next
}

/^\/\*\*/ { doc = ""; indoc = 1 }
indoc { doc = doc (doc == "" ? "" : "\n") $0; if ($0 ~ /\*\//) indoc = 0; next }

/^const reel_op reel_op_[a-z0-9_]+ = / { name = $3; sub(/^reel_op_/, "", name); ops[++count] = name }

/^(reel_node \*|void )reel_[a-z0-9_]+_at\(const char \*at, / { pending = "" ; collecting = 1 }
collecting {
    line = $0; gsub(/^ +/, "", line)
    pending = pending (pending == "" ? "" : " ") line
    if ($0 ~ /\)[^,]*$/) {
        collecting = 0
        type = pending ~ /^void/ ? "void " : "reel_node *"
        name = pending; sub(/^(reel_node \*|void )reel_/, "", name); sub(/_at\(.*/, "", name)
        params = pending; sub(/^[^(]*\(const char \*at, /, "", params); sub(/\).*$/, "", params)
        declare(doc, type, name, params)
        doc = ""
    }
    next
}
/^[a-z}]/ { doc = "" }

END {
    if (failed) exit 2
    # Sorted by name, so that the table can be searched and drawings of it do not depend on file order.
    for (i = 2; i <= count; i++) {
        v = ops[i]
        for (j = i - 1; j > 0 && ops[j] > v; j--) ops[j + 1] = ops[j]
        ops[j + 1] = v
    }
    if (out == "header") header()
    else table()
}

function header(i) {
    print "/** @file"
    print " * The operations, each as a function that records a node. Generated from ops/."
    print " *"
    print " * Every function has a form with the caller's place in front (reel_tanh_at); the macro of the plain"
    print " * name supplies it. The plain function itself is there for callers from other languages. All report"
    print " * errors on the tape of their arguments and then return its error node, never NULL."
    print " */"
    print "#ifndef REEL_OPS_H\n#define REEL_OPS_H\n\n#include <reel/op.h>\n#include <reel/tape.h>\n\nREEL_BEGIN\n"
    for (i = 1; i <= count; i++) print "REEL_API extern const reel_op reel_op_" ops[i] ";"
    print ""
    for (i = 1; i <= functions; i++) {
        if (fdoc[i] != "") print fdoc[i]
        print "REEL_API " ftype[i] "reel_" fname[i] "_at(const char *at, " fparams[i] ");"
        print "REEL_API " ftype[i] "reel_" fname[i] "(" fparams[i] ");"
        print "#define reel_" fname[i] "(...) reel_" fname[i] "_at(REEL_HERE, __VA_ARGS__)\n"
    }
    print "REEL_END\n\n#endif"
}

function table(i) {
    print "/* Generated from ops/: the plain functions, and the table of all ops. */"
    print "#include <reel/ops.h>\n\n#include <string.h>\n"
    for (i = 1; i <= functions; i++) {
        print "#undef reel_" fname[i]
        print ftype[i] "reel_" fname[i] "(" fparams[i] ")"
        print "{\n    " (ftype[i] == "void " ? "" : "return ") "reel_" fname[i] "_at(NULL" fnames[i] ");\n}\n"
    }
    print "static const reel_op *const table[] = {"
    for (i = 1; i <= count; i++) print "    &reel_op_" ops[i] ","
    print "    NULL,\n};\n"
    print "const reel_op *const *reel_ops(void)\n{\n    return table;\n}\n"
    print "const reel_op *reel_op_find(const char *name)\n{"
    print "    for (size_t i = 0; name && table[i]; i++) {"
    print "        if (strcmp(table[i]->name, name) == 0) {\n            return table[i];\n        }\n    }"
    print "    return NULL;\n}"
}
