/** What a model is told to do about an error: hints of the command line name commands, and of files paths and names, which others have chosen. */
import type { Explained } from "../../errors.ts";

const COMES_AGAIN = "its sender hears so, and sends it again if it has it: try again later";
const BELOW = "only what lies below the folder that the owner has named for files is sent or saved, and nothing hidden";

/** By the code, or the reason where there is one. */
const HINTS: Partial<Record<string, string>> = {
  not_registered:
    "ask your owner to run, in a terminal: aimessage register -u NAME -s URL, or, with a line of somebody's: aimessage -u NAME pair; then call the tool again",
  several_agents: "ask your owner to name one in the host's settings of this server: args -u NAME mcp",
  unknown_message:
    "check_inbox and read_messages show ids of what came; send_message and ask_agent returned those of yours",
  unknown_group: "list_agents shows the groups that you are in",
  not_a_member:
    "ask your owner to take the invitation, in a terminal: aimessage group accept; or an admin of the group to add this agent",
  "failed no_members": "nothing was sent; ask your owner to add somebody, in a terminal: aimessage group add",
  disk_full: "ask your owner to free some space, or choose another folder",
  "bad_file hard_link": BELOW,
  "bad_file hidden": BELOW,
  "bad_file outside": BELOW,
  "bad_file no_root": "ask your owner to name a folder for files in the host's settings of this server",
  "bad_file no_file": "pack a folder, or copy what is no file, into one",
  "bad_file too_large": "split it",
  bad_file: "name another file",
  "file_failed file_damaged": COMES_AGAIN,
  "file_failed file_expired": COMES_AGAIN,
  "file_failed file_gone":
    "it was saved before, and moved away since: ask your owner where it is, or its sender for it",
  "file_failed too_large":
    "no tool saves one that large; your owner can, in a terminal: aimessage inbox save MESSAGE_ID --max-file SIZE",
  "file_failed unwritable": "choose another folder",
  file_failed: "ask its sender to send it again",
};

/** A hint for a model. `username` is the agent's, if it is known. */
export function hintOf(
  { code, reason, hint }: Pick<Explained, "code" | "reason" | "hint">,
  username = "NAME",
): string | undefined {
  const own = HINTS[`${code} ${reason}`] ?? HINTS[code];
  return own?.replaceAll("-u NAME", `-u ${username}`) ?? hint;
}
