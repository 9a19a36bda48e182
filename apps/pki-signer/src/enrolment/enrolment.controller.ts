import { Body, Controller, Param, Query } from '@nestjs/common';
import {
  deviceId,
  type EnrollmentList,
  type EnrollmentResponse,
  enrollmentQuery,
  enrollmentRequest,
  signerRoutes,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { OneTimeTokens } from './one-time-tokens.js';

// The socket of the admin API is the administrator's alone.
const actor = 'admin';

/** One-time tokens. */
@Controller()
export class EnrolmentController {
  constructor(private readonly tokens: OneTimeTokens) {}

  @Serves(signerRoutes.createEnrollment)
  create(@Body() body: unknown): Promise<EnrollmentResponse> {
    return this.tokens.create(enrollmentRequest.parse(body), actor);
  }

  @Serves(signerRoutes.listEnrollments)
  list(@Query() query: unknown): Promise<EnrollmentList> {
    return this.tokens.list(enrollmentQuery.parse(query));
  }

  @Serves(signerRoutes.withdrawEnrollment)
  withdraw(@Param('deviceId') name: string): Promise<void> {
    return this.tokens.withdraw(deviceId.parse(name), actor);
  }
}
