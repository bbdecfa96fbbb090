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
  | "check"
  | "stats"
  | "audit"
  | "list"
  | "show"
  | "remove"
  | "disable"
  | "enable";

/** The commands of administrators, as their help shows them. The last five are those of `user`. */
export const commands: Record<CommandName, Described> = {
  backup: {
    usage: "backup <file>",
    about: "Copy the database, whether a relay runs on it or not. The copy is checked, and only its owner can read it.",
    example: "aimessage-server backup /backups/relay.db --db /var/lib/aimessage",
    options: [["--force", "overwrite the file"]],
  },
  restore: {
    usage: "restore <file>",
    about:
      "Put a backup into the folder of a relay that does not run. Its log gets a new id, so that agents do not trust the positions that they remember.",
    example: "aimessage-server restore /backups/relay.db --db /var/lib/aimessage",
    options: [["--force", "put the database aside that is there"]],
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
    example: "aimessage-server stats --json",
    options: [],
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
  list: {
    usage: "list [prefix]",
    about: "List the accounts, or those whose names begin so.",
    example: "aimessage-server user list ci- --limit 1000 --json",
    options: [["--limit <number>", "how many", 100]],
  },
  show: {
    usage: "show <name>",
    about: "Show an account and its devices.",
    example: "aimessage-server user show bob",
    options: [],
  },
  remove: {
    usage: "remove <name>",
    about: "Remove an account with all that it has. Senders of what waits for it get notices.",
    example: "aimessage-server user remove bob --release",
    options: [["--release", "let the name be registered again, by anybody"]],
  },
  disable: {
    usage: "disable <name>",
    about:
      "Close an account's connections and refuse its logins, what it sends and what is sent to it. Its mail waits.",
    example: "aimessage-server user disable bob",
    options: [],
  },
  enable: {
    usage: "enable <name>",
    about: "Undo `disable`.",
    example: "aimessage-server user enable bob",
    options: [],
  },
};

const ofAdministrators = new Set(["backup", "restore", "check", "stats", "audit", "user"]);

/** Whether a word is the first of an administrator's command. */
export function isAdminCommand(word: string | undefined): boolean {
  return word !== undefined && ofAdministrators.has(word);
}

function line(name: string, about: string): string {
  return `  ${name.padEnd(18)} ${about.replace(/[.,:].*/, "")}`;
}

/** For the help of `aimessage-server`. */
export function commandsHelp(): string {
  return [
    "Commands (each has --help):",
    line("serve", "Start the relay, as without a command."),
    ...Object.values(commands).map(({ usage, about }) => {
      const [word = ""] = usage.split(" ");
      return line(isAdminCommand(word) ? usage : `user ${usage}`, about);
    }),
  ].join("\n");
}
