export { blobStoreCases, type BlobStoreCase, type OpenBlobStore } from "./blob-store-cases.ts";
export { relayStoreCases } from "./relay-store-cases.ts";
export type { OpenStore, StoreCase } from "./store-world.ts";
