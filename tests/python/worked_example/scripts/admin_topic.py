"""Creates a topic, or grows one that is there: admin_topic.py create|grow TOPIC PARTITIONS"""

import os
import sys

from kafka.admin import KafkaAdminClient

try:
    from kafka.admin import NewPartitions, NewTopic
except ImportError:
    from kafka.admin._partitions import NewPartitions
    from kafka.admin._topics import NewTopic

action, topic, partitions = sys.argv[1], sys.argv[2], int(sys.argv[3])
admin = KafkaAdminClient(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"])
if action == "create":
    admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=1)])
else:
    admin.create_partitions({topic: NewPartitions(partitions)})
admin.close()
