/** Settings of hosts as somebody else may have written them: with comments, tabs, CRLF, marks, and whatever is or is not there already. */
import * as fc from "fast-check";

const word = fc.stringMatching(/^[a-z][a-z_]{0,6}$/);
const foreign = fc.oneof(
  fc.constantFrom("hello", "", "# no comment", "// none", "{[,]}", "é \u{1f600}", "aimessage"),
  fc.integer({ min: -5, max: 5 }),
  fc.boolean(),
);
const server = fc.record({
  command: fc.constantFrom("npx", "python3"),
  args: fc.array(fc.constantFrom("-y", "mcp", "files"), { maxLength: 3 }),
});
const group = fc.record({
  matcher: fc.constant("Bash"),
  hooks: fc.constant([{ type: "command", command: "say done" }]),
});
const events = ["Stop", "SessionStart", "AfterAgent", "pre_llm_call", "stop"];

const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });

/** Their content: others' servers and hooks, also empty ones, and whatever else. */
export const content = fc
  .record({
    other: fc.dictionary(
      word,
      fc.oneof(foreign, fc.array(foreign, { maxLength: 3 }), fc.dictionary(word, foreign, { maxKeys: 2 })),
      { maxKeys: 3 },
    ),
    servers: optional(fc.dictionary(word, server, { maxKeys: 2 })),
    hooks: optional(fc.dictionary(fc.constantFrom(...events), fc.array(group, { maxLength: 2 }), { maxKeys: 2 })),
  })
  .map(({ other, servers, hooks }) => Object.assign(other, { servers, hooks }));

const style = fc.record({
  indent: fc.constantFrom("  ", "    ", "\t", ""),
  newline: fc.constantFrom("\n", "\r\n"),
  last: fc.boolean(),
  mark: fc.boolean(),
  comments: fc.boolean(),
  comma: fc.boolean(),
});

/** The text of a file; undefined if there is none. */
export const jsonText = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      undefined,
      "",
      "\n",
      "{}",
      "{ }",
      "{\n}",
      "// nothing yet",
      "/* nothing */ {}\r\n",
      '{"a":1}',
      '{"hooks":{}}',
      "{\n// only this\n}",
    ),
  },
  { weight: 3, arbitrary: fc.tuple(content, style).map(([value, how]) => json(value, how)) },
);

interface Style {
  indent: string;
  newline: string;
  last: boolean;
  mark: boolean;
  comments: boolean;
  comma: boolean;
}

function json({ servers, ...rest }: { servers: unknown }, how: Style): string {
  const { indent, comments, comma } = how;
  let text = JSON.stringify({ ...rest, mcpServers: servers }, null, indent);
  // Of one line it stays strict.
  if (indent !== "" && comments)
    text = text
      .replace(/^\{\n/, '{\n// first: /* { [ "\n')
      .replaceAll(/([\]}],?)\n/g, "$1 // of ours }\n")
      .replace(/\n\}$/, "\n/* last */\n}");
  if (indent !== "" && comma) text = text.replaceAll(/([\]}"\w])\n(\s*[\]}])/g, "$1,\n$2");
  return styled(text, how);
}

function styled(text: string, { newline, last, mark }: Style): string {
  return (mark ? "\u{feff}" : "") + (text + (last ? "\n" : "")).replaceAll("\n", newline);
}

export const tomlText = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      undefined,
      "",
      "\n",
      "# nothing yet",
      'model = "o"',
      "[mcp_servers]\n",
      "[a]\r\nb = 1\r\n",
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        fc.array(
          fc.constantFrom(
            'model = "o" # mine',
            "",
            "# words [mcp_servers.aimessage]",
            'text = """\n[mcp_servers.aimessage]\n"""',
          ),
          { maxLength: 3 },
        ),
        fc.uniqueArray(
          fc.constantFrom(
            '[mcp_servers.files]\ncommand = "npx"\nargs = [\n  "-y", # yes\n]',
            "[[rules]]\nname = 'x'",
            '[profiles."a.b"]\n\n# end',
            '[mcp_servers.files.env]\nA = "1"',
          ),
          { maxLength: 4 },
        ),
        style,
      )
      .map(([top, tables, how]) => styled([...new Set(top), ...tables].join("\n"), how)),
  },
);

export const yamlText = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      undefined,
      "",
      "\n",
      "# nothing yet",
      "---\nmodel: o\n",
      "hooks:\n",
      "hooks: {}\nmcp_servers: {}",
      "mcp_servers: {a: {command: b}}\n",
      "  model: o\n  hooks:\n    # later\n",
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        fc.uniqueArray(
          fc.constantFrom(
            "model: o # mine",
            "# words\n",
            "list:\n- a\n- b: c\n",
            "text: |\n  hooks:\n    x\n",
            'mcp_servers:\n  # the files\n  files:\n    command: npx\n    args: ["-y", files]',
            "mcp_servers: # none",
            "hooks:\n    pre_llm_call:\n    - command: say\n      timeout: 5\n    # end of it",
            "hooks:\n  pre_verify: []\n  outbound:\n    - url: https://example.org\n      events: [on_session_end]",
            "hooks: {pre_llm_call: [{command: say}]}",
          ),
          { maxLength: 5, selector: (part) => part.split(":")[0] },
        ),
        style,
      )
      .map(([parts, how]) => styled(parts.join("\n"), how)),
  },
);
