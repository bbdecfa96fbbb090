/** Paths that a model or a program may name, to send what is not its own, or to save where nothing of others belongs. One table for every door. */
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileWorld, type FileWorld } from "../files/world.ts";

export interface PathWorld extends FileWorld {
  /** The folder below which files may lie. */
  root: string;
  /** Where its user keeps all else, such as keys. */
  outside: string;
}

/** Alice and Bob; a root with files, links of every kind, and keys outside of it. */
export async function pathWorld(): Promise<PathWorld> {
  const world = await fileWorld();
  const [root, outside] = [join(world.cwd, "root"), join(dirname(world.home), "user")];
  for (const folder of [
    root,
    join(root, "sub"),
    join(root, ".hidden"),
    join(outside, ".ssh"),
    join(world.cwd, "root2"),
  ])
    mkdirSync(folder, { recursive: true });
  const key = join(outside, ".ssh", "id_ed25519");
  for (const file of [
    key,
    join(outside, "taxes.pdf"),
    join(root, "fine.txt"),
    join(root, "sub", "fine.txt"),
    join(root, ".hidden", "x"),
    join(root, ".env"),
    join(world.cwd, "root2", "x"),
  ])
    writeFileSync(file, "SECRET or not");
  symlinkSync(key, join(root, "link"));
  symlinkSync(outside, join(root, "folder-link"));
  symlinkSync(join(root, "link"), join(root, "link-to-link"));
  symlinkSync("../.hidden", join(root, "sub", "to-hidden"));
  symlinkSync(".env", join(root, "env"));
  symlinkSync(world.home, join(root, "agents"));
  symlinkSync(join(root, "sub"), join(root, "inner-link"));
  linkSync(join(outside, "taxes.pdf"), join(root, "hard-link"));
  symlinkSync(join(outside, "nowhere"), join(root, "dangling"));
  return { ...world, root, outside };
}

/** What may be sent. */
export const finePaths = ["fine.txt", "sub/fine.txt", "inner-link/fine.txt", "./sub/../fine.txt"];

/** What may not, and the reason that is given. `$OUTSIDE` and the like stand for folders. */
export const badPaths: readonly (readonly [what: string, path: string, reason: string])[] = [
  ["a key, by its whole path", "$OUTSIDE/.ssh/id_ed25519", "outside"],
  ["a key, by dots", "../../user/.ssh/id_ed25519", "outside"],
  ["a key, through a folder that is not there", "sub/none/../../../../user/.ssh/id_ed25519", "outside"],
  ["a file of the user's", "$OUTSIDE/taxes.pdf", "outside"],
  ["a link to a key", "link", "outside"],
  ["a link to a link to a key", "link-to-link", "outside"],
  ["a file through a link to a folder", "folder-link/taxes.pdf", "outside"],
  ["a hard link to a file of the user's", "hard-link", "hard_link"],
  ["what lies beside the root, and is called like it", "../root2/x", "outside"],
  ["the system's passwords", "/etc/passwd", "outside"],
  ["the environment of this process", "/proc/self/environ", "outside"],
  ["a device", "/dev/zero", "outside"],
  ["a file in a folder whose name begins with a dot", ".hidden/x", "hidden"],
  ["the same, through a link", "sub/to-hidden/x", "hidden"],
  ["a file whose name begins with a dot", ".env", "hidden"],
  ["such a file, through a link", "env", "hidden"],
  ["the agent's store", "$HOME/alice/agent.db", "own_store"],
  ["the agent's store, through a link", "agents/alice/agent.db", "own_store"],
  ["another agent's store", "$HOME/bob/agent.db", "own_store"],
  ["a home folder, as a shell would have it", "~/.ssh/id_ed25519", "hidden"],
  ["a variable, as a shell would have it", "$HOME_OF_NOBODY/x", "missing"],
  ["a URL", "file:///etc/passwd", "missing"],
  ["what a stream of the agent's gave", "spool:00000000000000000000000000000000:AAAA", "missing"],
  ["a link that leads nowhere", "dangling", "missing"],
  ["nothing that is there", "none.txt", "missing"],
  ["nothing that is there, outside", "$OUTSIDE/none.txt", "outside"],
  ["a folder", "sub", "no_file"],
  ["a path with a NUL", "fine.txt\0.pdf", "missing"],
];

/** Where nothing may be saved. */
export const badFolders: readonly (readonly [what: string, path: string, reason: string])[] = [
  ["the user's folder", "$OUTSIDE", "outside"],
  ["a folder that is not there, outside", "$OUTSIDE/new/folder", "outside"],
  ["a folder outside, by dots", "../new", "outside"],
  ["a folder outside, through a link", "folder-link/new", "outside"],
  ["a folder of keys", "folder-link/.ssh", "outside"],
  ["a folder whose name begins with a dot", ".hidden", "hidden"],
  ["a new one", ".new", "hidden"],
  ["one below a new one", "new/.git/hooks", "hidden"],
  ["the same, through a link", "sub/to-hidden/below", "hidden"],
  ["the agents' folder", "agents", "own_store"],
  ["a folder among the agents' folders", "$HOME/alice/in", "own_store"],
];

/** A path of the tables, as it is in a world. */
export function asIn({ outside, home }: PathWorld, path: string): string {
  return path.replace("$OUTSIDE", outside).replace(/^\$HOME\//, `${home}/`);
}
