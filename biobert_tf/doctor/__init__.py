# SPDX-License-Identifier: Apache-2.0
"""`biobert doctor`: is everything here that a run needs, and does it fit?"""
