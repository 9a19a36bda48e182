import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';
import { connectorName } from './connector-settings.js';
import { deviceTags, reasonText } from './device-record-parts.js';
import { deviceId, fingerprint } from './ids.js';
import { deviceFilter, pageCursor, pageLimit } from './registry-admin.js';

const connector = connectorName;
const longestWindowHours = 24 * 366;

const stamp = {
  at: z.iso.datetime(),
  /** The administrator, such as `local-admin:alice`. */
  actor: z.string(),
};

/** A name that may come in for the first time, until its window ends. */
export const allowedDevice = z.strictObject({
  deviceId,
  /** The only connector at which it may come in; absent for any. */
  connector: connector.optional(),
  /** End of its window; absent when it has none. */
  until: z.iso.datetime().optional(),
  /** When the end of its window was told as event `expired`. A new window takes this away. */
  expiredAt: z.iso.datetime().optional(),
  /** The only certificate with which it may come in; absent for any that its CA vouches for. */
  fingerprint: fingerprint.optional(),
  /** Given to the device when it comes in. */
  tags: deviceTags.optional(),
  ...stamp,
});
export type AllowedDevice = z.infer<typeof allowedDevice>;

/** A name or a certificate that is refused at every entrance, whoever vouches for it. It wins over the allow list. */
export const deniedPeer = z.strictObject({
  deviceId: deviceId.optional(),
  fingerprint: fingerprint.optional(),
  reason: reasonText.optional(),
  ...stamp,
});
export type DeniedPeer = z.infer<typeof deniedPeer>;

/** What is left of a deleted device: its name and its certificates stay refused until they are released. */
export const tombstone = z.strictObject({
  deviceId,
  connector: connector.optional(),
  /** Of its certificates that were not revoked. */
  fingerprints: z.array(fingerprint).max(20),
  reason: reasonText.optional(),
  ...stamp,
});
export type Tombstone = z.infer<typeof tombstone>;

export const allowRequest = z.strictObject({
  devices: z.array(deviceId).min(1).max(200),
  connector: connector.optional(),
  /** Hours until the window ends; 0: it does not end. Absent: as the connector says, or 48. */
  hours: z.number().int().min(0).max(longestWindowHours).optional(),
  tags: deviceTags.optional(),
});
export type AllowRequest = z.infer<typeof allowRequest>;

export const denyRequest = z
  .strictObject({
    devices: z.array(deviceId).max(200).default([]),
    fingerprints: z.array(fingerprint).max(200).default([]),
    reason: reasonText.optional(),
  })
  .refine(
    ({ devices, fingerprints }) => devices.length + fingerprints.length > 0,
    'names no device and no certificate',
  );
export type DenyRequest = z.infer<typeof denyRequest>;

/** By name. */
const listQuery = z.strictObject({
  search: z.string().min(1).max(64).optional(),
  cursor: pageCursor.optional(),
  limit: pageLimit,
});

/** `expired`: its window has passed, and it has not come. It may not come in now. */
export const expectedDevice = allowedDevice.extend({ state: z.enum(['expected', 'expired']) });
export type ExpectedDevice = z.infer<typeof expectedDevice>;

export const allowList = z.strictObject({ devices: z.array(expectedDevice), cursor: z.string().optional() });
export type AllowList = z.infer<typeof allowList>;
export const denyList = z.strictObject({ denied: z.array(deniedPeer), cursor: z.string().optional() });
export type DenyList = z.infer<typeof denyList>;
export const tombstoneList = z.strictObject({ tombstones: z.array(tombstone), cursor: z.string().optional() });
export type TombstoneList = z.infer<typeof tombstoneList>;

/** How many of the named ones were put on a list, or taken off; the others were there already, or were not there. */
export const listChange = z.strictObject({ changed: z.number().int().min(0) });
export type ListChange = z.infer<typeof listChange>;

/**
 * A part of a CSV file (RFC 4180). Its first line is `ID`, or `ID, SSL Client Certificate`. The devices come onto the
 * allow list. A device with a certificate may come in only with it. One request covers at most 200 rows. The same
 * request may be sent twice.
 */
export const importRequest = z.strictObject({
  csv: z.string().min(1).max(200_000),
  connector: connector.optional(),
  hours: allowRequest.shape.hours,
  tags: deviceTags.optional(),
  /** `check` changes nothing. */
  mode: z.enum(['check', 'import']),
});
export type ImportRequest = z.infer<typeof importRequest>;

export const importResponse = z.strictObject({
  /** Devices that may come in now; in mode `check`, those that could. */
  allowed: z.number().int().min(0),
  /** Devices that are registered already. */
  unchanged: z.number().int().min(0),
  /** Rows that were left out, by their number; the header is row 1. */
  faults: z.array(z.strictObject({ row: z.number().int(), id: z.string(), fault: z.string() })),
});
export type ImportResponse = z.infer<typeof importResponse>;

export const exportQuery = deviceFilter.extend({ cursor: pageCursor.optional(), limit: pageLimit });

/** The first part begins with the header. Put together in order, the parts are one CSV file. */
export const exportPart = z.strictObject({ csv: z.string(), cursor: z.string().optional() });
export type ExportPart = z.infer<typeof exportPart>;

const releaseParameters = { id: deviceId };

/** The admin API of the lists that decide about devices the registry does not know yet, and of CSV files. */
export const deviceListRoutes = {
  listAllowed: {
    method: 'GET',
    path: '/v1/allowed',
    summary: 'Lists the names that may come in for the first time.',
    query: listQuery,
    response: allowList,
  },
  allowDevices: {
    method: 'POST',
    role: 'operator',
    path: '/v1/allowed',
    summary: 'Lets names come in for the first time, until their window ends. A second request starts a new window.',
    request: allowRequest,
    response: listChange,
  },
  withdrawAllowed: {
    method: 'DELETE',
    role: 'operator',
    path: '/v1/allowed/:id',
    summary: 'Takes a name off the allow list.',
    parameters: releaseParameters,
  },
  listDenied: {
    method: 'GET',
    path: '/v1/denied',
    summary: 'Lists the names and certificates that are refused whoever vouches for them.',
    query: listQuery,
    response: denyList,
  },
  denyPeers: {
    method: 'POST',
    role: 'operator',
    path: '/v1/denied',
    summary: 'Refuses names and certificates at every entrance, and ends their connections; may be repeated.',
    request: denyRequest,
    response: listChange,
  },
  withdrawDenied: {
    method: 'DELETE',
    role: 'operator',
    path: '/v1/denied/:id',
    summary: 'Takes a name or the fingerprint of a certificate off the deny list.',
    parameters: { id: z.union([fingerprint, deviceId]) },
  },
  listTombstones: {
    method: 'GET',
    path: '/v1/tombstones',
    summary: 'Lists the deleted devices whose names and certificates are still refused.',
    query: listQuery,
    response: tombstoneList,
  },
  releaseDevice: {
    method: 'DELETE',
    role: 'operator',
    path: '/v1/tombstones/:id',
    summary: 'Releases the name and the certificates of a deleted device: it may come in again as a new one.',
    parameters: releaseParameters,
  },
  importDevices: {
    method: 'POST',
    role: 'operator',
    path: '/v1/devices-import',
    summary: 'Takes a part of a CSV file with the names of devices, and their certificates.',
    request: importRequest,
    response: importResponse,
  },
  exportDevices: {
    method: 'GET',
    path: '/v1/devices-export',
    summary: 'Gives devices as CSV, a part at a time.',
    query: exportQuery,
    response: exportPart,
  },
} as const satisfies Record<string, AdminRoute>;
