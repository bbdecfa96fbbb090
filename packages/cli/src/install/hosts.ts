/** Where hosts of assistants keep what, by their documents, and what of it is ours. */
import { isAbsolute, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { userHome } from "@aimessage/sdk/glance";
import { UsageError } from "../errors.ts";
import { type Host, isHost } from "../hook/hosts.ts";
import { type Entry, isObject } from "./format.ts";
import { commandOf, shellLine, wordsOf } from "./program-words.ts";

export type Scope = "user" | "project";

/** A file of a host's: entries in one of its formats, or a text that is ours as a whole. */
export type Wanted = {
  path: string;
  /** The folder that it must lie in, whatever links lead to it: of a project. */
  within?: string;
} & ({ format: "jsonc" | "toml" | "yaml"; entries: Entry[] } | { format: "whole"; text: string });

/** Files that `install` is to write. */
export interface Plan {
  files: Wanted[];
  /** A word to the user on the next step. */
  next: string;
}

export interface Place {
  scope: Scope;
  /** The folder of the project. */
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
}

/** Words that call this program as the agent, up to the name of a command. */
export type Words = readonly string[];

type HookItem = { event: string; item: Record<string, unknown> };

/** Time that a hook may take, which takes a tenth of a second. */
const SECONDS = 10;
/** How long a tool may wait for a reply where the host lets it. Seconds. */
const MAX_WAIT = "50";

const claudeEvents = ["SessionStart", "UserPromptSubmit", "PostToolUse", "Stop"];

/** The files of a host. `skill` is the text of its skill. @throws UsageError */
export function planFor(host: Host, place: Place, words: Words, skill: string): Plan {
  const plan = plans[host](place, words, skill);
  if (place.scope === "user") return plan;
  return { ...plan, files: plan.files.map((file) => Object.assign(file, { within: place.cwd })) };
}

const plans: Record<Host, (place: Place, words: Words, skill: string) => Plan> = {
  claude(place, words, skill) {
    const room = folder(place, ".claude", "CLAUDE_CONFIG_DIR");
    const servers = place.scope === "project" ? join(place.cwd, ".mcp.json") : claudeState(place, room);
    return {
      files: [
        { path: servers, format: "jsonc", entries: [server(["mcpServers"], words, { before: { type: "stdio" } })] },
        { path: join(room, "settings.json"), format: "jsonc", entries: nested(claudeEvents, "claude", words, SECONDS) },
        skillIn(join(room, "skills"), skill),
      ],
      next: "Start Claude Code anew; /mcp and /hooks show what it has found.",
    };
  },
  codex(place, words, skill) {
    const room = folder(place, ".codex", "CODEX_HOME");
    return {
      files: [
        {
          path: join(room, "config.toml"),
          format: "toml",
          entries: [server(["mcp_servers"], words, { after: { tool_timeout_sec: 60 } })],
        },
        { path: join(room, "hooks.json"), format: "jsonc", entries: nested(claudeEvents, "codex", words, SECONDS) },
        skillIn(join(place.scope === "user" ? home() : place.cwd, ".agents/skills"), skill),
      ],
      next: "Start Codex anew; it asks once whether it may run the hooks (/hooks).",
    };
  },
  hermes(place, words, skill) {
    if (place.scope === "project") throw new UsageError("Hermes has no settings of a project", "leave --project out");
    const room = folder(place, ".hermes", "HERMES_HOME");
    const hooks = ["pre_llm_call", "pre_verify"].map((event) => ({
      event,
      item: { command: hookLine(words, event, "hermes"), timeout: SECONDS },
    }));
    return {
      files: [
        {
          path: join(room, "config.yaml"),
          format: "yaml",
          entries: [server(["mcp_servers"], words), ...elements(hooks)],
        },
        skillIn(join(room, "skills"), skill),
      ],
      next: "Start Hermes anew; it asks once whether it may run each hook.",
    };
  },
  gemini(place, words, skill) {
    const room = folder(place, ".gemini");
    const events = ["SessionStart", "BeforeAgent", "AfterTool", "AfterAgent"];
    return {
      files: [
        {
          path: join(room, "settings.json"),
          format: "jsonc",
          entries: [server(["mcpServers"], words), ...nested(events, "gemini", words, SECONDS * 1_000)],
        },
        skillIn(join(room, "skills"), skill),
      ],
      next: "Start Gemini CLI anew; /mcp and /hooks show what it has found.",
    };
  },
  cursor(place, words, skill) {
    const room = folder(place, ".cursor");
    const hooks = ["sessionStart", "postToolUse", "stop"].map((event) => ({
      event,
      item: { command: hookLine(words, event, "cursor") },
    }));
    const version: Entry = { path: ["version"], value: 1, kind: "setting", isOurs: () => false };
    return {
      files: [
        { path: join(room, "mcp.json"), format: "jsonc", entries: [server(["mcpServers"], words, { wait: [] })] },
        { path: join(room, "hooks.json"), format: "jsonc", entries: [version, ...elements(hooks)] },
        skillIn(join(room, "skills"), skill),
      ],
      next: "Open Cursor anew; Settings > MCP and Settings > Hooks show what it has found.",
    };
  },
};

/** Claude Code keeps the servers of a user beside its folder, or in the one that was named for it. */
function claudeState({ env }: Place, room: string): string {
  return env["CLAUDE_CONFIG_DIR"] ? join(room, ".claude.json") : join(home(), ".claude.json");
}

function folder({ scope, cwd, env }: Place, name: string, variable?: string): string {
  if (scope === "project") return join(cwd, name);
  const named = variable === undefined ? undefined : env[variable];
  return named !== undefined && isAbsolute(named) ? named : join(home(), name);
}

function home(): string {
  const found = userHome();
  if (found !== undefined) return found;
  throw new UsageError("this user has no home folder", "give --project, in the folder of a project");
}

function server(
  room: string[],
  words: Words,
  {
    before = {},
    after = {},
    wait = ["--max-wait", MAX_WAIT],
  }: { before?: object; after?: object; wait?: string[] } = {},
): Entry {
  const [command = "", ...args] = words;
  const own = { ...before, command, args: [...args, "mcp", ...wait], ...after };
  return {
    path: [...room, "aimessage"],
    kind: "member",
    value: own,
    isOurs: (value) => isOurServer(value) || isDeepStrictEqual(value, own),
  };
}

function skillIn(skills: string, text: string): Wanted {
  return { path: join(skills, "aimessage/SKILL.md"), format: "whole", text };
}

function hookLine(words: Words, event: string, host: Host): string {
  return shellLine([...words, "hook", event, "--for", host]);
}

/** Hooks in the shape of Claude's: each in a group of its own. */
function nested(events: string[], host: Host, words: Words, timeout: number): Entry[] {
  const name = host === "gemini" ? { name: "aimessage" } : {};
  const groups = elements(
    events.map((event) => ({
      event,
      item: { hooks: [{ type: "command", ...name, command: hookLine(words, event, host), timeout }] },
    })),
  );
  return groups.map((group) => Object.assign(group, { within: "hooks" }));
}

function elements(hooks: HookItem[]): Entry[] {
  return hooks.map(({ event, item }) => ({
    path: ["hooks", event],
    kind: "element",
    value: item,
    // What is written now is ours, whatever runs this program.
    isOurs: (value) => isOurHook(value) || isDeepStrictEqual(value, item),
  }));
}

/** A server that runs as `install` writes it, perhaps for another agent. With other arguments it is the user's. */
function isOurServer(value: unknown): boolean {
  const { command, args } = isObject(value) ? value : {};
  const words = [command, ...(Array.isArray(args) ? (args as unknown[]) : [])];
  if (!words.every((word) => typeof word === "string")) return false;
  const [name, flag, _time, ...more] = commandOf(words) ?? [];
  return name === "mcp" && (flag === undefined || flag === "--max-wait") && more.length === 0;
}

/** A group of which all is ours, or a hook that stands by itself. A line that does anything else, too, is the user's. */
function isOurHook(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { hooks, command } = value;
  if (Array.isArray(hooks)) return hooks.length > 0 && hooks.every(isOurHook);
  if (typeof command !== "string") return false;
  const [name, event, flag, host, ...more] = commandOf(wordsOf(command) ?? []) ?? [];
  return name === "hook" && event !== undefined && flag === "--for" && isHost(host ?? "") && more.length === 0;
}
