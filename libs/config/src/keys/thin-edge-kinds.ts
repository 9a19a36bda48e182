import type { z } from 'zod';
import { duration } from '../durations.js';
import { type DerivedDefault, unreadSetting } from '../setting.js';
import { absolutePath, flag, text, textSet } from '../text-values.js';
import type { StoredValue, ValueType } from '../value-type.js';

type Unread = z.ZodType<unknown>;

/** A setting with the value of another one until somebody sets it. */
export function sameAs(key: string): DerivedDefault {
  return { text: `the value of \`${key}\``, from: (context) => context.value(key) };
}

/** A setting of thin-edge.io that has no value at first. */
export function unset(type: ValueType, doc: string, ...examples: string[]): Unread {
  return unreadSetting(type, { doc, examples });
}

/** A setting of thin-edge.io that has a value from the start. */
export function preset(type: ValueType, doc: string, standard: StoredValue | DerivedDefault, example: string): Unread {
  return unreadSetting(type, { doc, default: standard, examples: [example] });
}

/** A feature of thin-edge.io that can be switched on or off. `standard`: whether it is on. */
export function toggle(doc: string, standard: boolean, deprecatedNames: readonly string[] = []): Unread {
  return unreadSetting(flag, { doc, default: standard, examples: ['true', 'false'], deprecatedNames });
}

/** A span of time. */
export function time(doc: string, standard: string): Unread {
  return preset(duration, doc, standard, standard);
}

/** A set of texts, such as MQTT topics. */
export function set(doc: string, standard: readonly string[], example: string): Unread {
  return preset(textSet, doc, standard, example);
}

/** A file or directory. */
export function path(doc: string, example: string): Unread {
  return unset(absolutePath, doc, example);
}

/** A line of text. */
export function line(doc: string, example: string): Unread {
  return unset(text, doc, example);
}
