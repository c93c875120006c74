"""Change detection: from backscatter to soil moisture between its dry and wet references."""
