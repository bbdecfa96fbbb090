import { folderPlace } from "./folder-place.ts";
import type { Place } from "./place.ts";

/** @param store URL of a cluster's database; undefined: the one in the folder `db`. */
export async function openPlace({ db, store }: { db: string; store: string | undefined }): Promise<Place> {
  if (store === undefined) return folderPlace(db);
  // Without a cluster nobody needs the driver.
  const { openClusterPlace } = await import("./cluster/cluster-place.ts");
  return openClusterPlace(store);
}
