export { relayStoreCases, type StoreCase } from "./relay-store-cases.ts";
export type { OpenStore } from "./store-world.ts";
