type Option = [flag: string, about: string, fallback?: number];

interface Described {
  usage: string;
  about: string;
  example: string;
  options: Option[];
}

export type CommandName =
  | "backup"
  | "restore"
  | "migrate"
  | "check"
  | "stats"
  | "audit"
  | "user list"
  | "user show"
  | "user remove"
  | "user disable"
  | "user enable"
  | "invite create"
  | "invite list"
  | "invite revoke";

/** Commands that have commands of their own, and what these are for. */
export const groups: Record<string, { about: string; example: string }> = {
  user: { about: "Look at accounts, and change them.", example: "aimessage-server user list" },
  invite: {
    about:
      "Make invites, and take them back. Who has one may register at a relay that runs with --registration invite.",
    example: "aimessage-server invite create",
  },
};

/** The commands of administrators, as their help shows them, by all their words. */
export const commands: Record<CommandName, Described> = {
  backup: {
    usage: "backup <file>",
    about:
      "Copy the database, whether a relay runs on it or not, and its encrypted files into a folder beside the copy. The copy is checked, and only its owner can read it.",
    example: "aimessage-server backup /backups/relay.db --db /var/lib/aimessage",
    options: [["--force", "overwrite the file, and the folder beside it"]],
  },
  restore: {
    usage: "restore <file>",
    about:
      "Put a backup, and the encrypted files beside it, into the folder of a relay that does not run. Its log gets a new id, so that agents do not trust the positions that they remember.",
    example: "aimessage-server restore /backups/relay.db --db /var/lib/aimessage",
    options: [["--force", "put the database aside that is there, with its files"]],
  },
  migrate: {
    usage: "migrate",
    about:
      "Move everything from the folder of a relay that does not run into the PostgreSQL of a cluster, or back. Agents notice a reconnect. Killed at any moment, it is run again.",
    example: "aimessage-server migrate --db /var/lib/aimessage --store postgres://aimessage@db1/aimessage",
    options: [
      ["--back", "from the cluster, of which no relay runs, into an empty folder"],
      ["--files <folder|s3://...>", "where the relays of the cluster have encrypted files [AIMESSAGE_FILES]"],
    ],
  },
  check: {
    usage: "check",
    about:
      "Look for what is wrong with a database, whether a relay runs on it or not. Changes nothing; 1 if something is.",
    example: "aimessage-server check --db /var/lib/aimessage",
    options: [
      ["--reserve-bytes <size>", "disk that the relay keeps from mail (default 64MiB) [AIMESSAGE_RESERVE_BYTES]"],
    ],
  },
  stats: {
    usage: "stats",
    about: "Count what is in the database, and name the ten fullest mailboxes.",
    example: "aimessage-server stats --watch 10s",
    options: [["--watch [time]", "count again so often, until Ctrl+C (default 2s)"]],
  },
  audit: {
    usage: "audit",
    about: "Show what administrators did, and how often in an hour the relay refused what to whom.",
    example: "aimessage-server audit --only deed --last 20",
    options: [
      ["--last <number>", "how many of the newest lines", 50],
      ["--only <kind>", "deed or refusal"],
    ],
  },
  "user list": {
    usage: "list [prefix]",
    about: "List the accounts, or those whose names begin so.",
    example: "aimessage-server user list ci- --limit 1000 --json",
    options: [["--limit <number>", "how many", 100]],
  },
  "user show": {
    usage: "show <name>",
    about: "Show an account and its devices.",
    example: "aimessage-server user show bob",
    options: [],
  },
  "user remove": {
    usage: "remove <name>",
    about: "Remove an account with all that it has. Senders of what waits for it get notices.",
    example: "aimessage-server user remove bob --release",
    options: [["--release", "let the name be registered again, by anybody"]],
  },
  "user disable": {
    usage: "disable <name>",
    about:
      "Close an account's connections and refuse its logins, what it sends and what is sent to it. Its mail waits.",
    example: "aimessage-server user disable bob",
    options: [],
  },
  "user enable": {
    usage: "enable <name>",
    about: "Undo `disable`.",
    example: "aimessage-server user enable bob",
    options: [],
  },
  "invite create": {
    usage: "create",
    about:
      "Make an invite, and print it: only a hash of it is kept. A name that is registered with it uses it up; another device of an agent does not.",
    example: "aimessage-server invite create --uses 5 --expires 1d > invite.txt",
    options: [
      ["--uses <number>", "how many names may be registered with it", 1],
      ["--expires <time>", "how long it is good, such as 30m, 12h or 7d (default 7d)"],
    ],
  },
  "invite list": {
    usage: "list",
    about: "List the invites, those that have ended within a month too, and how often each was used.",
    example: "aimessage-server invite list --json",
    options: [],
  },
  "invite revoke": {
    usage: "revoke <id>",
    about: "Take an invite back, by its id. Accounts that were registered with it stay.",
    example: "aimessage-server invite revoke 1f0c9a52",
    options: [],
  },
};

const ofAdministrators = new Set(Object.keys(commands).map((name) => name.split(" ")[0]));

/** Whether a word is the first of an administrator's command. */
export function isAdminCommand(word: string | undefined): boolean {
  return word !== undefined && ofAdministrators.has(word);
}

/** The word before a command's own, and a space; empty if it stands alone. */
export function groupOf(name: string): string {
  return name.includes(" ") ? `${name.split(" ")[0]} ` : "";
}

function line(name: string, about: string): string {
  return `  ${name.padEnd(19)} ${about.replace(/[.,:].*/, "")}`;
}

/** For the help of `aimessage-server`. */
export function commandsHelp(): string {
  return [
    "Commands (each has --help):",
    line("serve", "Start the relay, as without a command."),
    ...Object.entries(commands).map(([name, { usage, about }]) => line(groupOf(name) + usage, about)),
  ].join("\n");
}
