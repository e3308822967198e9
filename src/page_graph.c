/* Job: the graph of a page: which nodes, in which places, as JSON.
 * Invariant: the JSON is valid whatever things are called, and nothing in it ends the element it
 * stands in. Must not know: how the page shows it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "page.h"

/* Scopes nested deeper than this count as their ancestor at this depth: nobody can read more. */
enum { DEEPEST = 40 };

/* Arguments have smaller ids than what uses them, so one sweep down the ids finds all. */
static bool collect_nodes(reel__page *p, size_t n, reel_node *const *root)
{
    uint32_t highest = 0;
    p->walk = reel__walk(p->tape);
    for (size_t i = 0; i < n; i++) {
        reel__slot *s = reel__slot_of(root[i]);
        s->stamp = p->walk;
        highest = s->id > highest ? s->id : highest;
    }
    for (uint32_t id = highest + 1; id-- > 0;) {
        const reel__slot *s = reel__slot_at(p->tape, id);
        if (s->stamp != p->walk) {
            continue;
        }
        if (!reel__ids_push(&p->nodes, id)) {
            return false;
        }
        for (int i = 0; i < s->n; i++) {
            reel__args(s)[i]->stamp = p->walk;
        }
    }
    for (size_t i = 0, j = p->nodes.n - 1; i < j; i++, j--) {
        uint32_t swap = p->nodes.v[i];
        p->nodes.v[i] = p->nodes.v[j];
        p->nodes.v[j] = swap;
    }
    for (uint32_t k = 0; k < p->nodes.n; k++) {
        reel__slot_at(p->tape, p->nodes.v[k])->mark = k;
    }
    return true;
}

static bool add_place(reel__page *p, uint64_t key, reel__page_place place)
{
    if (p->places == p->place_capacity) {
        size_t capacity = 2 * p->place_capacity + 14;
        reel__page_place *v = reel__reallocarray(p->place, capacity, sizeof *v);
        if (!v) {
            return false;
        }
        p->place = v;
        p->place_capacity = capacity;
    }
    p->place[p->places++] = place;
    return reel__map_put(&p->known, key, (void *)(uintptr_t)p->places);
}

static uint64_t key_of(const reel__page *p, uint32_t scope, uint8_t order)
{
    return reel__mix(p->tape->scopes[scope].place, order) | 1;
}

/* The place of a scope; false when memory is out. The ones above it that are not yet known
 * are made first. */
static bool find_place(reel__page *p, uint32_t scope, uint8_t order, uint32_t *place)
{
    uint32_t path[DEEPEST];
    int depth = 0, deeper = 0;
    uintptr_t found = 0;
    for (uint32_t s = scope; s; s = p->tape->scopes[s].parent) {
        deeper++;
    }
    for (; deeper > DEEPEST; deeper--) {
        scope = p->tape->scopes[scope].parent;
    }
    for (; scope; scope = p->tape->scopes[scope].parent) {
        found = (uintptr_t)reel__map_get(&p->known, key_of(p, scope, order));
        if (found) {
            break;
        }
        path[depth++] = scope;
    }
    if (!found && order) {
        found = (uintptr_t)reel__map_get(&p->known, key_of(p, 0, order));
        if (!found) {
            if (!add_place(p, key_of(p, 0, order), (reel__page_place){.order = order})) {
                return false;
            }
            found = p->places;
        }
    }
    *place = found ? (uint32_t)found - 1 : 0;
    while (depth-- > 0) {
        reel__page_place next = {.parent = *place, .scope = path[depth], .order = order};
        if (!add_place(p, key_of(p, path[depth], order), next)) {
            return false;
        }
        *place = (uint32_t)p->places - 1;
    }
    return true;
}

bool reel__page_collect(reel__page *p, size_t n, reel_node *const *root)
{
    if (!collect_nodes(p, n, root) || !add_place(p, key_of(p, 0, 0), (reel__page_place){0})) {
        return false;
    }
    p->place_of = reel__calloc(p->nodes.n, sizeof *p->place_of);
    uint8_t *order = reel__calloc(p->nodes.n, sizeof *order);
    bool done = p->place_of && order && reel__find_orders(p->tape, &p->nodes, order);
    for (size_t k = 0; done && k < p->nodes.n; k++) {
        const reel__slot *s = reel__slot_at(p->tape, p->nodes.v[k]);
        done = find_place(p, s->scope, order[k], &p->place_of[k]);
    }
    reel__free(order);
    return done;
}

/* A string of JSON. < could end the element that the JSON stands in, and what is not UTF-8 the
 * page. */
static void add_string(reel__text *out, const char *bytes)
{
    const unsigned char *s = (const unsigned char *)bytes;
    reel__text_add(out, "\"");
    while (*s) {
        uint32_t point;
        size_t n = reel__character(s, &point);
        if (!n) {
            reel__text_add(out, "\\ufffd");
            s++;
            continue;
        }
        if (point < 0x20 || point == 0x7f || strchr("\"\\<>&", point < 0x80 ? (int)point : 'x') ||
            (point & 0xfffe) == 0xfffe) {
            reel__text_format(out, "\\u%04x", (unsigned)(point > 0xffff ? 0xfffd : point));
        } else {
            reel__text_format(out, "%.*s", (int)n, (const char *)s);
        }
        s += n;
    }
    reel__text_add(out, "\"");
}

enum { MODULE, STEP, PASS };

static void add_place_text(const reel__page *p, const reel__page_place *place, reel__text *out)
{
    static const char *const pass[] = {"forward", "backward", "backward of backward"};
    const reel__scope *s = &p->tape->scopes[place->scope];
    int kind = !place->scope ? PASS : s->name ? MODULE : STEP;
    char text[64];
    reel__text_format(out, "[%" PRIu32 ",%d,", place->parent, kind);
    if (kind == PASS) {
        snprintf(text, sizeof text, "derivative of order %d", place->order);
        add_string(out, place->order <= 2 ? pass[place->order] : text);
    } else if (kind == STEP) {
        snprintf(text, sizeof text, "t=%" PRId64, s->t);
        add_string(out, text);
    } else {
        add_string(out, s->name);
    }
    reel__text_add(out, "]");
}

enum { OP, WEIGHT, LEAF };

static void add_node_text(const reel__page *p, size_t k, reel__text *out)
{
    const reel__slot *s = reel__slot_at(p->tape, p->nodes.v[k]);
    const reel_node *x = reel__node_of(s);
    char text[128] = "";
    const char *op = s->op->name && *s->op->name ? s->op->name : "op";
    reel__text_format(out, "[%" PRIu32 ",%d,", p->place_of[k],
                      s->flags & REEL__PARAM ? WEIGHT
                      : s->n == 0            ? LEAF
                                             : OP);
    add_string(out, op);
    if (s->op->label) {
        s->op->label(x, text, sizeof text);
        text[sizeof text - 1] = '\0';
    }
    reel__text_add(out, ",");
    add_string(out, *text ? text : op);
    reel__text_add(out, ",");
    add_string(out, s->rank ? reel__shape_text(text, sizeof text, reel__shape(s)) : "scalar");
    reel__text_add(out, ",");
    add_string(out, reel_node_name(x));
    reel__text_add(out, ",");
    add_string(out, s->at ? reel__base_name(s->at) : "");
    reel__text_add(out, ",[");
    for (int i = 0; i < s->n; i++) {
        reel__text_format(out, "%s%" PRIu32, i ? "," : "", reel__args(s)[i]->mark);
    }
    reel__text_add(out, "]");
}

void reel__page_graph(const reel__page *p, size_t n, reel_node *const *root, reel__text *out)
{
    reel__text_add(out, "{\"title\":");
    add_string(out, p->args->title ? p->args->title : "");
    reel__text_add(out, ",\n\"place\":[");
    for (size_t i = 0; i < p->places; i++) {
        reel__text_add(out, i ? ",\n" : "");
        add_place_text(p, &p->place[i], out);
    }
    reel__text_add(out, "],\n\"node\":[");
    bool *is_root = reel__calloc(p->nodes.n + 1, sizeof *is_root);
    if (!is_root) {
        out->no_memory = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        is_root[reel__slot_of(root[i])->mark] = true;
    }
    for (size_t k = 0; k < p->nodes.n; k++) {
        reel__text_add(out, k ? ",\n" : "");
        add_node_text(p, k, out);
        reel__text_add(out, is_root[k] ? ",1]" : ",0]");
    }
    reel__free(is_root);
    reel__text_add(out, "]}");
}
