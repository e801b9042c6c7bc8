/** Writes OTLP metrics, with the library of another project: our reader meets bytes that are not ours. */
import protobuf from 'protobufjs';

const { root } = protobuf.parse(`
  syntax = "proto3";
  message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3;
    double double_value = 4; } }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message Scope { string name = 1; string version = 2; }
  message NumberDataPoint { fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3;
    oneof value { double as_double = 4; sfixed64 as_int = 6; } repeated KeyValue attributes = 7;
    uint32 flags = 8; }
  message Gauge { repeated NumberDataPoint data_points = 1; }
  message Sum { repeated NumberDataPoint data_points = 1; int32 aggregation_temporality = 2;
    bool is_monotonic = 3; }
  message HistogramDataPoint { fixed64 time_unix_nano = 3; fixed64 count = 4; optional double sum = 5;
    repeated fixed64 bucket_counts = 6; repeated double explicit_bounds = 7;
    repeated KeyValue attributes = 9; }
  message Histogram { repeated HistogramDataPoint data_points = 1; }
  message Metric { string name = 1; string description = 2; string unit = 3;
    oneof data { Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9; } }
  message ScopeMetrics { Scope scope = 1; repeated Metric metrics = 2; string schema_url = 3; }
  message ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; }
  message MetricsData { repeated ResourceMetrics resource_metrics = 1; }
`);
const MetricsData = root.lookupType('MetricsData');

export const label = (key: string, stringValue: string) => ({ key, value: { stringValue } });

export function otlpBytes(metrics: readonly object[]): Buffer {
  const data = {
    resourceMetrics: [
      {
        resource: { attributes: [label('service.name', 'pump')] },
        scopeMetrics: [{ scope: { name: 'x', version: '1' }, metrics }],
      },
    ],
  };
  const problem = MetricsData.verify(data);
  if (problem !== null) throw new Error(problem);
  return Buffer.from(MetricsData.encode(MetricsData.create(data)).finish());
}

export const gauge = (name: string, asDouble: number, attributes: readonly object[] = []) => ({
  name,
  description: 'd',
  unit: 'ms',
  gauge: { dataPoints: [{ timeUnixNano: 1, asDouble, attributes }] },
});
