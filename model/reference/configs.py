"""DescribeConfigs and IncrementalAlterConfigs (MET): topic settings against their broker defaults.

Source: ConfigHelper, ConfigurationControlManager; KIP-133, KIP-339.
"""
