import { applyDecorators, HttpCode, RequestMapping, RequestMethod } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import type { AdminRoute } from '@sallyport/protocol';

/** Marks a controller's method with the operation it serves. */
export const Served = DiscoveryService.createDecorator<AdminRoute>();

/**
 * Makes a controller's method serve an operation of the admin API, at its path and with its status. The operation also
 * appears in the service's OpenAPI description.
 */
export function Serves(route: AdminRoute): MethodDecorator {
  const { method, path } = route;
  return applyDecorators(
    // The router has no name for a parameter over several segments: its value is "*".
    RequestMapping({ method: RequestMethod[method], path: path.replace(/\*\w+$/, '*') }),
    HttpCode(statusOf(route)),
    Served(route),
  );
}

/** HTTP status of an operation that succeeds. */
export function statusOf({ status, response }: AdminRoute): number {
  return status ?? (response === undefined ? 204 : 200);
}
