import { isAbsolute, resolve } from 'node:path';
import { deviceId as deviceIdSchema } from '@sallyport/protocol';
import { z } from 'zod';
import { readCloudName } from './cloud-names.js';
import { asFlag, asWritten, integerFrom, listOf, oneOf, textThat, type ValueType } from './value-type.js';

/** Control characters (NUL and line breaks among them) end up in paths, logs and topics: nothing may hold one. */
function isOneLine(value: string, longest: number): boolean {
  return value !== '' && value.length <= longest && !/\p{Cc}/u.test(value);
}

/** Absolute path of a file or directory; text typed by a person is resolved against the working directory. */
export const absolutePath = {
  ...textThat('AbsolutePath', 'an absolute path', (path) => isOneLine(path, 4096) && isAbsolute(path)),
  fromText: (path: string, cwd: string) => (path === '' ? path : resolve(cwd, path)),
} as const satisfies ValueType;

/** One line of text. */
export const text = textThat('String', 'one line of 1 to 255 characters', (value) => isOneLine(value, 255));

/** Texts, such as MQTT topics or names of templates. */
export const textSet = listOf('TemplatesSet', 'texts of one line, separated by commas', text.schema);

/** Largest payload of an MQTT message (MQTT 5.0 §1.5.5: a length has 28 bits). */
export const payloadLimit = integerFrom('MqttPayloadLimit', 'a number of bytes from 0 to 268435455', {
  least: 0,
  most: 268_435_455,
});

/** A name in a certificate's subject (X.520 ub-organization-name: 64 characters). */
export const subjectName = textThat('String', 'one line of 1 to 64 characters', (value) => isOneLine(value, 64));

/** Identity of a device: the rules of `deviceId` in the protocol library. */
export const deviceId = {
  name: 'DeviceId',
  rule: "1 to 64 letters, digits or ' = ( ) , - . ? % * _ ! @ : of which the first is a letter or digit",
  schema: deviceIdSchema,
  fromText: asWritten,
} as const satisfies ValueType;

/** Names of devices, services or administrators. */
export const nameList = listOf('NameList', 'names as in certificates, separated by commas', deviceId.schema);

/** `true` or `false`. */
export const flag = {
  name: 'bool',
  rule: 'true or false',
  schema: z.boolean({ error: 'must be true or false' }),
  fromText: asFlag,
} as const satisfies ValueType;

// MQTT 5.0 §4.7.1: + and # are wildcards, so neither may stand in a topic to publish to.
function isTopicPrefix(prefix: string): boolean {
  return isOneLine(prefix, 255) && !/[#+]/.test(prefix) && prefix !== 'c8y-internal';
}

/** First levels of MQTT topics. */
export const topicPrefix = textThat('TopicPrefix', 'a topic without # or +, and not c8y-internal', isTopicPrefix);

/** A thin-edge.io entity: four topic levels, of which later ones may be empty (`device/main//`). */
export const entityTopicId = textThat(
  'EntityTopicId',
  'four topic levels without # or +, such as device/main// or device/child01//',
  (id) => isOneLine(id, 255) && /^[^/#+]+(?:\/[^/#+]*){3}$/.test(id),
);

const cloudName = textThat('CloudName', 'the name of a cloud', (name) => readCloudName(name)?.name === name);

/** Names of cloud connections. */
export const cloudNames = listOf(
  'CloudNames',
  'names of clouds (c8y, az, aws, one of these with a profile such as c8y@plant2, or a user-defined mapper), separated by commas',
  cloudName.schema,
);

/** Who may touch which file of the file transfer service. */
export const fileAuthorization = oneOf('FileAuthorization', ['any', 'own']);

/** SPIFFE trust domain (SPIFFE ID §2.1): lower-case letters, digits, dots, dashes and underscores. */
export const trustDomain = textThat(
  'TrustDomain',
  'a domain of lower-case letters, digits, dots, dashes and underscores',
  (domain) => /^[a-z0-9._-]{1,255}$/.test(domain),
);
