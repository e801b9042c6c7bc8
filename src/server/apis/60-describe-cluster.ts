/**
 * DescribeCluster (key 60).
 * - Needs no right; the authorized operations are those of the tenant's virtual cluster.
 * - Endpoint type 1 (brokers) only: controllers have no listener of their own here.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { defineApi, none } from '../define-api.ts';
import { clusterOperationBits } from './03-metadata.ts';

const BROKER_ENDPOINTS = 1;
const NOT_ASKED = -(2 ** 31);

export const describeClusterApi = defineApi({
  key: ApiKey.DescribeCluster,
  versions: { min: 0, max: 2 },
  authorization: none('tells an authenticated client no more than where it is connected'),

  handle(ctx, request) {
    const { session, services, apiVersion } = ctx;
    if (request.endpointType !== BROKER_ENDPOINTS) {
      const errorCode =
        apiVersion === 0 ? ErrorCode.INVALID_REQUEST : ErrorCode.MISMATCHED_ENDPOINT_TYPE;
      return { errorCode, errorMessage: 'Only broker endpoints are described here.' };
    }
    const { host, port } = session.advertised;
    return {
      endpointType: BROKER_ENDPOINTS,
      clusterId: session.clusterId,
      controllerId: services.nodeId,
      brokers: [{ brokerId: services.nodeId, host, port, rack: null, isFenced: false }],
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? clusterOperationBits(ctx)
        : NOT_ASKED,
    };
  },

  fail: (_request, errorCode) => ({ errorCode }),
});
