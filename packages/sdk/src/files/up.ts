/** What follows when a file is up. */
import type { OutFileRecord } from "../records/file-records.ts";
import { offerAgain } from "../records/file-offers.ts";
import { endFile, fileKey, filesOf, hasEnded } from "../records/files.ts";
import { find, pad, put } from "../records/records.ts";
import type { WriteTransaction } from "../store/store.ts";

/** A file is up. When all of its message are, that leaves, or its recipient hears where they lie now. */
export async function fileIsUp(tx: WriteTransaction, file: OutFileRecord, sha256: string): Promise<void> {
  const key = fileKey(file);
  const { token: _token, reason: _reason, claim: _claim, vain: _vain, reached: _reached, ...rest } = file;
  if (file.said === undefined || file.said === sha256) {
    await put(tx, "out-file/", key, { ...rest, state: "up", sha256 });
    await hasEnded(tx, file);
  } else await endFile(tx, file, { state: "failed", reason: "file_changed" });
  const row = await find(tx, "out/", pad(file.seq));
  if (row === undefined || (await filesOf(tx, file.seq)).some(({ state }) => state === "waits")) return;
  if (file.resent === true) await offerAgain(tx, row);
  else if (row.state === "queued") await tx.put(`queue/${row.to}/${pad(row.seq)}`, "");
}
