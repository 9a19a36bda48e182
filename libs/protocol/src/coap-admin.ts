import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';
import { microsTime } from './device-events.js';
import { deviceId } from './ids.js';

/** Longest path of a resource, in bytes. */
export const longestHrefBytes = 255;

/** The path of a resource of a device, such as `/light/1`: no empty segment, no `.` or `..`, no query. */
export const resourceHref = z
  .string()
  .regex(/^(?:\/[^/?#]+)+$/, 'is not the path of a resource, such as /light/1')
  .refine((href) => !href.split('/').some((segment) => segment === '.' || segment === '..'), 'holds "." or ".."')
  .refine((href) => Buffer.byteLength(href) <= longestHrefBytes, `is longer than ${longestHrefBytes} bytes`)
  .refine((href) => href.isWellFormed() && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(href), 'holds a control character')
  .brand('ResourceHref');
export type ResourceHref = z.infer<typeof resourceHref>;

/** The name of a resource type or an interface, such as `oic.r.switch.binary`. */
const ocfName = z.string().min(1).max(64);

/** What a device tells of one of its resources (OCF Core §7.8). */
export const resourceLink = z.strictObject({
  href: resourceHref,
  /** CRC-32 of the href as it was published; unpublishing names links by it. */
  ins: z.int().min(0).max(0xffff_ffff),
  /** Types. */
  rt: z.array(ocfName).max(32),
  /** Interfaces. */
  if: z.array(ocfName).max(32),
  /** Bit 1: it can be discovered. Bit 2: it can be observed. */
  bm: z.int().min(0).max(0xff),
  title: z.string().max(128).exactOptional(),
});
export type ResourceLink = z.infer<typeof resourceLink>;

/**
 * How far the values that the gateway keeps agree with the device. `out-of-sync`: the device is away, or was not asked yet.
 * `syncing`: it is being asked. `in-sync`: every resource that can be observed has told its value on this connection.
 */
export const twinSync = z.enum(['out-of-sync', 'syncing', 'in-sync']);
export type TwinSync = z.infer<typeof twinSync>;

/** A resource with the last value that the device told. */
export const resourceDescription = resourceLink.extend({
  /** When the value was told. */
  at: microsTime.exactOptional(),
  /** The value as JSON; byte strings are `{"$bytes": "<base64>"}`. */
  content: z.json().exactOptional(),
});
export type ResourceDescription = z.infer<typeof resourceDescription>;

export const resourceList = z.strictObject({ sync: twinSync, resources: z.array(resourceDescription) });
export type ResourceList = z.infer<typeof resourceList>;

/** What a device is told to do with a resource. */
export const commandKind = z.enum(['retrieve', 'update', 'create', 'delete']);
export type CommandKind = z.infer<typeof commandKind>;

export const commandId = z.uuid();

/** A command that the device has not answered yet. */
export const pendingCommand = z.strictObject({
  id: commandId,
  kind: commandKind,
  href: resourceHref,
  /** `waiting`: the device is away. `running`: it was sent, and the answer is not here yet. */
  state: z.enum(['waiting', 'running']),
  createdAt: z.iso.datetime(),
  /** Absent: it waits for ever. */
  validUntil: z.iso.datetime().exactOptional(),
  /** Who wants it: `admin:alice`, or the device that did. */
  actor: z.string(),
});
export type PendingCommand = z.infer<typeof pendingCommand>;

export const pendingCommands = z.strictObject({ commands: z.array(pendingCommand) });
export type PendingCommands = z.infer<typeof pendingCommands>;

/** What came of a command, or of a look at the kept value. */
export const resourceAnswer = z.strictObject({
  href: resourceHref,
  /** `pending`: the device has not answered yet, and the command waits for it. */
  status: z.enum(['done', 'pending']),
  /** Whether the device answered now, or this is the value kept of it. */
  source: z.enum(['device', 'twin']),
  command: commandId.exactOptional(),
  at: z.union([microsTime, z.iso.datetime()]),
  /** The CoAP code of the device: `2.05`. */
  code: z.string().max(4).exactOptional(),
  /** The value as JSON; byte strings are `{"$bytes": "<base64>"}`. Absent: the device sent none. */
  content: z.json().exactOptional(),
});
export type ResourceAnswer = z.infer<typeof resourceAnswer>;

/** Longest time that a command waits for its device, in seconds: a week. */
const longestTtlSeconds = 604_800;

const waiting = {
  /** How long the command waits for the device, in seconds. 0: for ever. */
  ttl: z.coerce.number().int().min(0).max(longestTtlSeconds).default(10),
  /** An interface of the resource, such as `oic.if.baseline`. */
  resourceInterface: ocfName.optional(),
};

/** The spelling that plgd's API has: `?twin=false`. */
const flag = z.enum(['true', 'false']);

export const retrieveQuery = z.strictObject({ twin: flag.default('false'), ...waiting });
export const commandQuery = z.strictObject(waiting);
export type CommandQuery = z.infer<typeof commandQuery>;

/** The href without its first `/`: the path of a route gives it. */
const hrefInPath = z.string().min(1).max(longestHrefBytes);
const ofDevice = { id: deviceId };
const ofResource = { id: deviceId, href: hrefInPath };
const ofCommand = { id: deviceId, command: commandId };

/** The admin API of the resources of OCF devices, at the CoAP gateway. */
export const coapResourceRoutes = {
  listResources: {
    method: 'GET',
    path: '/api/v1/devices/:id/resources',
    summary: 'Lists the resources that a device has published, with the last value of each.',
    parameters: ofDevice,
    response: resourceList,
  },
  retrieveResource: {
    method: 'GET',
    path: '/api/v1/devices/:id/resources/*href',
    summary: 'Asks a device for a resource over its own connection, or with twin=true reads the value kept of it.',
    parameters: ofResource,
    query: retrieveQuery,
    response: resourceAnswer,
  },
  updateResource: {
    method: 'PUT',
    path: '/api/v1/devices/:id/resources/*href',
    summary: 'Updates a resource of a device. A device that is away gets it when it signs in, while "ttl" lasts.',
    role: 'operator',
    parameters: ofResource,
    query: commandQuery,
    request: z.json(),
    response: resourceAnswer,
  },
  createResource: {
    method: 'POST',
    path: '/api/v1/devices/:id/resources/*href',
    summary: 'Creates a resource in a collection of a device.',
    role: 'operator',
    parameters: ofResource,
    query: commandQuery,
    request: z.json(),
    response: resourceAnswer,
  },
  deleteResource: {
    method: 'DELETE',
    path: '/api/v1/devices/:id/resources/*href',
    summary: 'Deletes a resource of a device.',
    role: 'operator',
    parameters: ofResource,
    query: commandQuery,
    response: resourceAnswer,
  },
  listCommands: {
    method: 'GET',
    path: '/api/v1/devices/:id/pending-commands',
    summary: 'Lists the commands that a device has not answered yet, oldest first.',
    parameters: ofDevice,
    response: pendingCommands,
  },
  cancelCommand: {
    method: 'DELETE',
    path: '/api/v1/devices/:id/pending-commands/:command',
    summary: 'Cancels a command. One that was sent to the device may still be carried out.',
    role: 'operator',
    parameters: ofCommand,
  },
} as const satisfies Record<string, AdminRoute>;
