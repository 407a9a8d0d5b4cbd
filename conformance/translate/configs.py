"""DescribeConfigs and IncrementalAlterConfigs between the model and the wire."""
