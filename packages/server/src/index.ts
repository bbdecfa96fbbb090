export { type Config, defaultConfig, readConfig } from "./config/config.ts";
export { UsageError } from "./config/usage-error.ts";
export { defaultLimits, type LimitName, limitOptions, type Limits } from "./config/limits.ts";
export { createRelay, type Relay, type RelayOptions } from "./relay.ts";
export { StartupError } from "./startup-error.ts";
export { openMemoryStore, openSqliteStore } from "./store/sqlite/sqlite.ts";
export type { StoreOptions } from "./store/options.ts";
export type { Bus, Ears, Ended, Unasked } from "./store/bus.ts";
export type { RelayStore } from "./store/store.ts";
