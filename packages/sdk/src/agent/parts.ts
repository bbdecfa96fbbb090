/** Parts of files that lie in folders, until these are whole: none is left that nobody goes on with. */
import type { FileHost } from "../files/host.ts";
import type { InFileRecord } from "../records/file-records.ts";
import { fileKey } from "../records/files.ts";
import { find, pad, put, remove } from "../records/records.ts";
import type { ClientStore, WriteTransaction } from "../store/store.ts";

/** A part of which nothing has come for so long is removed. Milliseconds. */
const ABANDONED_MS = 86_400_000;
/** Parts that are looked at in one go. */
const LOOKED_AT = 100;

/** The part of a file is not there any more. */
export async function forgetPart(tx: WriteTransaction, record: InFileRecord): Promise<void> {
  const key = fileKey(record);
  await tx.delete(`part/${key}`);
  const now = await find(tx, "in-file/", key);
  if (now?.part !== record.part) return;
  // Its message is gone already, and so is what else was known of it.
  if ((await find(tx, "in/", pad(record.seq))) === undefined) return remove(tx, "in-file/", key);
  const { part: _part, ...rest } = {
    ...now,
    ...(record.unfetched === undefined ? {} : { unfetched: record.unfetched }),
  };
  await put(tx, "in-file/", key, rest as InFileRecord);
}

/** Removes parts that nobody goes on with. */
export async function removeAbandoned(store: ClientStore, host: FileHost): Promise<void> {
  await removeParts(store, host, ({ at, claim }) => Date.now() - Math.max(at, claim?.until ?? 0) >= ABANDONED_MS);
}

/** Removes all parts: the agent leaves. */
export async function removeAllParts(store: ClientStore, host: FileHost): Promise<void> {
  await removeParts(store, host, () => true);
}

async function removeParts(
  store: ClientStore,
  host: FileHost,
  isOver: (record: InFileRecord) => boolean,
): Promise<void> {
  for (let after: string | undefined, page; page === undefined || page.length === LOOKED_AT;) {
    page = await store.read((tx) => tx.list({ prefix: "part/", after, limit: LOOKED_AT }));
    for (const [key] of page) {
      after = key;
      const at = key.slice("part/".length);
      const record = await store.read((tx) => find(tx, "in-file/", at));
      if (record !== undefined && !isOver(record)) continue;
      if (record?.part !== undefined)
        await host.removePart(record.folder, record.part, record.path).catch(() => undefined);
      await store.write(async (tx) => {
        await tx.delete(`part/${at}`);
        if (record !== undefined) await forgetPart(tx, record);
      });
    }
  }
}
