/** Numbers of options (RFC 7252 §12.2, 7641, 7959, 7967, 9175, and OCF). An odd number is critical. */
export const optionNumbers = {
  ifMatch: 1,
  uriHost: 3,
  etag: 4,
  ifNoneMatch: 5,
  observe: 6,
  uriPort: 7,
  locationPath: 8,
  uriPath: 11,
  contentFormat: 12,
  maxAge: 14,
  uriQuery: 15,
  accept: 17,
  locationQuery: 20,
  block2: 23,
  block1: 27,
  size2: 28,
  proxyUri: 35,
  proxyScheme: 39,
  size1: 60,
  noResponse: 258,
  requestTag: 292,
  ocfAcceptVersion: 2_049,
  ocfContentVersion: 2_053,
} as const;
export type OptionName = keyof typeof optionNumbers;

/** What is allowed of one option. */
export interface OptionRule {
  readonly name: OptionName;
  readonly leastBytes: number;
  readonly mostBytes: number;
  readonly isRepeatable: boolean;
}

const once = (name: OptionName, leastBytes: number, mostBytes: number): OptionRule => ({
  name,
  leastBytes,
  mostBytes,
  isRepeatable: false,
});
const repeated = (name: OptionName, leastBytes: number, mostBytes: number): OptionRule => ({
  ...once(name, leastBytes, mostBytes),
  isRepeatable: true,
});

// RFC 7252 §5.10, table 4; RFC 7641 §2; RFC 7959 §2.1 and §4; RFC 7967 §2; RFC 9175 §3.2. The versions are of the OCF
// Core Specification: 2 bytes that every device of OCF sends.
const rules: readonly OptionRule[] = [
  repeated('ifMatch', 0, 8),
  once('uriHost', 1, 255),
  repeated('etag', 1, 8),
  once('ifNoneMatch', 0, 0),
  once('observe', 0, 3),
  once('uriPort', 0, 2),
  repeated('locationPath', 0, 255),
  repeated('uriPath', 0, 255),
  once('contentFormat', 0, 2),
  once('maxAge', 0, 4),
  repeated('uriQuery', 0, 255),
  once('accept', 0, 2),
  repeated('locationQuery', 0, 255),
  once('block2', 0, 3),
  once('block1', 0, 3),
  once('size2', 0, 4),
  once('proxyUri', 1, 1_034),
  once('proxyScheme', 1, 255),
  once('size1', 0, 4),
  once('noResponse', 0, 1),
  repeated('requestTag', 0, 8),
  once('ocfAcceptVersion', 0, 2),
  once('ocfContentVersion', 0, 2),
];

/** By number of the option. An option that is not in it is unknown. */
export const optionRules: ReadonlyMap<number, OptionRule> = new Map(
  rules.map((rule) => [optionNumbers[rule.name], rule]),
);

/** RFC 7252 §5.4.6: odd numbers are critical. A receiver that does not know one must refuse the message. */
export function isCritical(number: number): boolean {
  return (number & 1) === 1;
}
