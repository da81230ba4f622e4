"""WooCommerce as a channel: an own shop, read and written over REST v3."""

from connectors.woocommerce.connector import WooCommerce

__all__ = ["WooCommerce"]
