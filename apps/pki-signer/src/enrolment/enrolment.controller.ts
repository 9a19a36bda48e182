import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import {
  deviceId,
  type EnrollmentList,
  type EnrollmentResponse,
  enrollmentQuery,
  enrollmentRequest,
} from '@sallyport/protocol';
import { OneTimeTokens } from './one-time-tokens.js';

// The socket of the admin API is the administrator's alone.
const actor = 'admin';

/** One-time tokens. */
@Controller('v1/enrollments')
export class EnrolmentController {
  constructor(private readonly tokens: OneTimeTokens) {}

  @Post()
  create(@Body() body: unknown): Promise<EnrollmentResponse> {
    return this.tokens.create(enrollmentRequest.parse(body), actor);
  }

  @Get()
  list(@Query() query: unknown): Promise<EnrollmentList> {
    return this.tokens.list(enrollmentQuery.parse(query));
  }

  @Delete(':deviceId')
  @HttpCode(204)
  withdraw(@Param('deviceId') name: string): Promise<void> {
    return this.tokens.withdraw(deviceId.parse(name), actor);
  }
}
