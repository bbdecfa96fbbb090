/** Whether a command line is a call of a hook: looked at before anything else is loaded, at each start of the program. */
import { type Host, isHost } from "./hosts.ts";

export interface HookCall {
  event: string;
  host: Host;
  home?: string | undefined;
  username?: string | undefined;
}

const FLAGS: Readonly<Record<string, "host" | "home" | "username">> = {
  "--for": "host",
  "--home": "home",
  "-u": "username",
  "--username": "username",
};

/** A command line that is a call of a hook as `install` writes it; undefined for any other, `hook --help` too. */
export function hookCall(argv: readonly string[]): HookCall | undefined {
  const found: Partial<Record<"host" | "home" | "username", string>> = {};
  const words: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    const flag = Object.hasOwn(FLAGS, word) ? FLAGS[word] : undefined;
    if (flag === undefined) words.push(word);
    // Told like any other mistake.
    else if (found[flag] !== undefined) return undefined;
    else found[flag] = argv[(at += 1)] ?? "";
  }
  const [command, event = "", ...more] = words;
  const { host = "", home, username } = found;
  if (command !== "hook" || more.length > 0 || event.startsWith("-") || !isHost(host)) return undefined;
  return { event, host, home, username };
}
