/* edge_main.c - the main() that a model's C file may carry: CSV rows in, predictions out. For tests, and as an example of a
 * caller. */
#include <inttypes.h>

#include "serve/targets/edge.h"

static const char reader[] =
    "#include <stdio.h>\n"
    "#include <stdlib.h>\n"
    "\n"
    "/* One record of CSV into buffer, its fields in fields; returns how many, -1 at the end or when it is too long. */\n"
    "static int gm_record(char *buffer, size_t size, char **fields, int max)\n"
    "{\n"
    "    size_t n = 0;\n"
    "    int count = 0, quoted = 0, b = getchar();\n"
    "    if (b == EOF) return -1;\n"
    "    fields[count++] = buffer;\n"
    "    for (;; b = getchar()) {\n"
    "        if (n + 2 > size || count == max) return -1;\n"
    "        if (b == '\"') {\n"
    "            int next = quoted ? getchar() : 0;\n"
    "            if (quoted && next == '\"') buffer[n++] = '\"';\n"
    "            else quoted = !quoted;\n"
    "            if (next && next != '\"') (void)ungetc(next, stdin);\n"
    "        } else if (b == EOF || (b == '\\n' && !quoted)) {\n"
    "            if (n > 0 && buffer[n - 1] == '\\r') n--;\n"
    "            buffer[n] = 0;\n"
    "            return count;\n"
    "        } else if (b == ',' && !quoted) {\n"
    "            buffer[n++] = 0;\n"
    "            fields[count++] = buffer + n;\n"
    "        } else {\n"
    "            buffer[n++] = (char)b;\n"
    "        }\n"
    "    }\n"
    "}\n"
    "\n"
    "static double gm_number(const char *text)\n"
    "{\n"
    "    if (strcmp(text, \"true\") == 0) return 1;\n"
    "    if (strcmp(text, \"false\") == 0) return 0;\n"
    "    return *text ? strtod(text, NULL) : (double)NAN;\n"
    "}\n"
    "\n";

void gm_edge_main(const gm_edge_in *in, const char *name, const char *const *fields, gm_buf *out)
{
    size_t count = gm_program_inputs_count(in->program);
    gm_buf_printf(out,
                  "/* ---- rows of CSV on the standard input: names first, times in microseconds, nothing for missing. With any "
                  "argument: margins ---- */\n\n%s",
                  reader);
    gm_buf_printf(out, "static const char *const gm_columns[%zu] = {\n", count);
    for (size_t i = 0; i < count; i++) {
        gm_buf_text(out, "    ");
        gm_c_string(out, gm_program_input_name(in->program, i, NULL));
        gm_buf_text(out, ",\n");
    }
    gm_buf_printf(out,
                  "};\n\n"
                  "int main(int argc, char **argv)\n"
                  "{\n"
                  "    static char buffer[1 << 20];\n"
                  "    static char *fields[4096];\n"
                  "    int at[%zu], count = gm_record(buffer, sizeof(buffer), fields, 4096);\n"
                  "    for (int i = 0; i < %zu; i++) {\n"
                  "        for (at[i] = 0; at[i] < count && strcmp(fields[at[i]], gm_columns[i]) != 0;) at[i]++;\n"
                  "        if (at[i] >= count) {\n"
                  "            fprintf(stderr, \"no column %%s\\n\", gm_columns[i]);\n"
                  "            return 2;\n"
                  "        }\n"
                  "    }\n"
                  "    int names = count;\n"
                  "    while ((count = gm_record(buffer, sizeof(buffer), fields, 4096)) >= 0) {\n"
                  "        double out[%s_OUTPUTS];\n"
                  "        %s_input in;\n"
                  "        if (count != names) {\n"
                  "            fprintf(stderr, \"%%d fields where %%d are named\\n\", count, names);\n"
                  "            return 2;\n"
                  "        }\n",
                  count, count, name, name);
    for (size_t i = 0; i < count; i++) {
        gm_type type;
        (void)gm_program_input_name(in->program, i, &type);
        gm_buf_printf(out, "        in.%s = ", fields[i]);
        if (type == GM_TYPE_STRING)
            gm_buf_printf(out, "*fields[at[%zu]] ? fields[at[%zu]] : NULL;\n", i, i);
        else if (type == GM_TYPE_TIME)
            gm_buf_printf(out, "*fields[at[%zu]] ? strtoll(fields[at[%zu]], NULL, 10) : INT64_MIN;\n", i, i);
        else
            gm_buf_printf(out, "gm_number(fields[at[%zu]]);\n", i);
    }
    gm_buf_printf(out,
                  "        (void)(argc > 1 && argv[1] ? %s_margin(&in, out) : %s_predict(&in, out));\n"
                  "        for (int k = 0; k < %s_OUTPUTS; k++) {\n"
                  "            if (k) printf(\",\");\n"
                  "            if (isnan(out[k])) printf(\"nan\");\n"
                  "            else printf(\"%%.17g\", out[k]);\n"
                  "        }\n"
                  "        printf(\"\\n\");\n"
                  "    }\n"
                  "    return 0;\n"
                  "}\n",
                  name, name, name);
}
