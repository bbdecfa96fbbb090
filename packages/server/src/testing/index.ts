export { relayStoreCases } from "./relay-store-cases.ts";
export type { OpenStore, StoreCase } from "./store-world.ts";
