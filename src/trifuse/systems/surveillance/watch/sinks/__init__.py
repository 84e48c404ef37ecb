"""Where records go: JSON lines, webhooks, MQTT; none of them holds up whoever tells."""
