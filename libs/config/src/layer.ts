import type { Fault } from './faults.js';
import type { KeyReference } from './key-names.js';

/** Where a value comes from, strongest first. */
export type Source = 'argument' | 'env' | 'file' | 'default';

/** The value of a key in one source; `undefined` means that the key counts as unset. */
export interface Given {
  readonly reference: KeyReference;
  readonly value: unknown;
  readonly source: Source;
  /** What to name in an error: `TEDGE_HTTP_BIND_PORT`, `--http.bind.port`, `tedge.toml`. */
  readonly where: string;
}

/** What one source of settings holds, by key name with dots. */
export interface Layer {
  readonly given: ReadonlyMap<string, Given>;
  readonly warnings: readonly string[];
  readonly faults: readonly Fault[];
  /** Clouds and profiles that are there even if they have no settings. */
  readonly profiles?: readonly { readonly cloud: string; readonly profile: string | undefined }[];
}
