# Writes what follows from the sources of the cells, so that adding one touches no list:
#   out=header  include/reel/models.h: a declaration per `const reel_cell_type reel_NAME = {`
#   out=table   table.c: reel_cell_types() and reel_cell_type_find()

/^\/\*\*/ { doc = ""; indoc = 1 }
indoc { doc = doc (doc == "" ? "" : "\n") $0; if ($0 ~ /\*\//) indoc = 0; next }
/^const reel_cell_type reel_[a-z0-9_]+ = / { name[++count] = $3; docs[count] = doc; doc = "" }

END {
    for (i = 2; i <= count; i++) {
        v = name[i]; d = docs[i]
        for (j = i - 1; j > 0 && name[j] > v; j--) { name[j + 1] = name[j]; docs[j + 1] = docs[j] }
        name[j + 1] = v; docs[j + 1] = d
    }
    if (out == "header") header()
    else table()
}

function header(i) {
    print "/** @file\n * The kinds of cells that Reel ships, for reel_cell_of(). Generated from models/.\n */"
    print "#ifndef REEL_MODELS_H\n#define REEL_MODELS_H\n\n#include <reel/cell.h>\n\nREEL_BEGIN\n"
    for (i = 1; i <= count; i++) {
        if (docs[i] != "") print docs[i]
        print "REEL_API extern const reel_cell_type " name[i] ";"
    }
    print "\n/** All of them, sorted by name, NULL at the end. */"
    print "REEL_API const reel_cell_type *const *reel_cell_types(void);"
    print "/** The kind of that name, or NULL. */"
    print "REEL_API const reel_cell_type *reel_cell_type_find(const char *name);"
    print "\nREEL_END\n\n#endif"
}

function table(i) {
    print "/* Generated from models/: the table of all kinds of cells. */"
    print "#include <reel/models.h>\n\n#include <string.h>\n"
    print "static const reel_cell_type *const table[] = {"
    for (i = 1; i <= count; i++) print "    &" name[i] ","
    print "    NULL,\n};\n"
    print "const reel_cell_type *const *reel_cell_types(void)\n{\n    return table;\n}\n"
    print "const reel_cell_type *reel_cell_type_find(const char *name)\n{"
    print "    for (size_t i = 0; name && table[i]; i++) {"
    print "        if (strcmp(table[i]->name, name) == 0) {\n            return table[i];\n        }\n    }"
    print "    return NULL;\n}"
}
